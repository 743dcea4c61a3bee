"""What a run counts while it works, and what it reports at its end."""

from __future__ import annotations

import csv
import heapq
import io
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spark_cxr.model import findings
from spark_cxr.model.drift import Measure, Tally, to_json, warnings_of
from spark_cxr.model.predictor import NO_XRAY, TOO_UNLIKE, UNLIKE
from spark_cxr.pipeline.folders import PassedOver
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.sources import Listing
from spark_cxr.verbs.score.batch import SortedFiles

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doubt:
    """A film that a model was not sure of."""

    path: str
    sha256: str
    confidence: float
    prediction: str
    certainty: float
    """By which films are sorted: the confidence, or how far the findings are from hanging on a
    hair."""

    def __lt__(self, other: Doubt) -> bool:
        """Sort the most certain film first, and equally certain ones by path."""
        return (-self.certainty, self.path) < (-other.certainty, other.path)


@dataclass
class Totals:
    """Sums over the batches of a run: no more memory for many films than for few."""

    unit: str = "files"
    keep: int = 0
    """Films of least certainty to keep."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """The operating points of a model of findings."""
    passes: int = 0
    listed: int = 0
    arrived: int = 0
    scored: int = 0
    waiting: int = 0
    same: int = 0
    batches: int = 0
    unsettled: int = 0
    """Of those that wait: gone, or of another size, when they were to be read."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """By the last listing."""
    tally: Tally = field(default_factory=Tally)
    times: PassTimes = field(default_factory=PassTimes)
    reasons: Counter[str] = field(default_factory=Counter)
    doubts: list[Doubt] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """Count the files that were set aside."""
        return self.reasons.total()

    def start_pass(self, listing: Listing) -> None:
        """Take over what a new listing has, and say what it passed over where that is news."""
        self.passes += 1
        self.listed = listing.count
        if self.passes > 1 and str(listing.passed_over) != str(self.passed_over):
            LOG.info(f"score: {listing.passed_over or 'nothing passed over'}")
        self.passed_over = listing.passed_over

    def spend(self, times: PassTimes) -> None:
        """Add what a pass over films has taken."""
        self.times += times

    def add(self, arrived: int, files: SortedFiles) -> None:
        """Count the files of a batch that is committed."""
        self.batches += 1
        self.arrived += arrived
        self.scored += len(files.scored)
        self.waiting += len(files.waiting)
        self.unsettled += sum(file.is_unsettled for file in files.waiting)
        self.same += len(files.same)
        self.reasons.update(file.reason for file in files.quarantined if file.reason)
        self.tally.add(files.scored)
        for film in files.scored:
            # A film without a class has no confidence to compare.
            if self.keep and film.prediction is not None and film.confidence is not None:
                sure = film.confidence
                if self.thresholds:
                    sure = findings.certainty(film.probabilities, self.thresholds)
                named = (film.path, film.sha256 or "", film.confidence, film.prediction)
                doubt = Doubt(*named, sure)
                add = heapq.heappush if len(self.doubts) < self.keep else heapq.heappushpop
                add(self.doubts, doubt)

    def least_certain(self) -> list[Doubt]:
        """Give the kept films, the least certain first."""
        return sorted(self.doubts, reverse=True)

    def counts(self, measures: tuple[Measure, ...]) -> dict[str, Any]:
        """Give the figures for run.json and the line of JSON."""
        return {
            "files": self.listed,
            "known": self.listed - self.arrived if self.passes == 1 else None,
            "arrived": self.arrived,
            "scored": self.scored,
            "quarantined": self.quarantined,
            "waiting": self.waiting,
            "same_content": self.same,
            "unsettled": self.unsettled,
            "passed_over": self.passed_over.to_json(),
            "reasons": dict(self.reasons),
            "flags": dict(self.tally.flags),
            "predicted": dict(self.tally.labels),
            "drift": to_json(measures),
            "drifted": [each.name for each in measures if each.has_moved],
            "passes": self.passes,
            "batches": self.batches,
            "times": self.times.to_json(),
        }

    def lines(self, measures: tuple[Measure, ...]) -> Iterator[str]:
        """Give the lines for the console."""
        yield (
            f"{self.listed:,} {self.unit}, {self.arrived:,} of them new: {self.scored:,} scored, "
            f"{self.quarantined:,} quarantined, {self.waiting:,} waiting for another look, "
            f"{self.same:,} with a content that was scored before"
        )
        yield from self.times.lines
        if self.unsettled:
            yield f"{self.unsettled:,} of those that wait were gone or growing when they were read"
        if self.passed_over.counts:
            yield str(self.passed_over)
        for label, count in self.tally.labels.most_common():
            yield f"  {count:>8,}  {label}"
        flags = self.tally.flags
        if flags[UNLIKE] or flags[NO_XRAY]:
            refused = f", {flags[TOO_UNLIKE]:,} of them refused" if flags[TOO_UNLIKE] else ""
            yield (
                f"{flags[UNLIKE]:,} are not like the training films{refused}; {flags[NO_XRAY]:,} "
                "are no frontal chest films and got no prediction"
            )
        yield from warnings_of(measures)

    def csv(self) -> str:
        """Write the least certain films as a table, for `explain`."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("path", "sha256", "confidence", "prediction"))
        rows.writerows((d.path, d.sha256, d.confidence, d.prediction) for d in self.least_certain())
        return text.getvalue()
