"""What is counted of the films of one model, day by day: memory grows with days, not films."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spark_cxr.errors import InputError
from spark_cxr.metrics.course import MEAN, SHARE, MeasureCourse
from spark_cxr.model import predictor
from spark_cxr.model.findings import findings_in

Array = NDArray[np.float64]
ANSWERS, FLAGS, REFUSALS, REASONS, RIGHT = "answers", "flags", "refusals", "reasons", "right"
CONFIDENCE, DISTANCE = "confidence", "distance"
NAMES = {
    ANSWERS: "share {}",
    FLAGS: "flag {}",
    REFUSALS: "refused",
    REASONS: "refused: {}",
    RIGHT: "right",
}
"""How measures of shares are called; those of films' attributes as in "view: PA"."""
ONLY_UP = {REFUSALS, REASONS}
MOST_VALUES = 1000
"""Different answers, flags or reasons beyond which a table is none of scores."""
SHOWN_VALUES = 15
"""Of a kind, the commonest; the others are counted together."""
OTHERS = "others"


@dataclass
class FilmTally:
    """Sums by day."""

    labels: tuple[str, ...] = ()
    """Of the model, as its probabilities name them."""
    is_of_findings: bool = False
    totals: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """Films that could have a value, by family and day."""
    counts: defaultdict[tuple[str, str], Counter[int]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    """Films that have it, by family and value, and day."""
    moments: defaultdict[str, dict[int, Array]] = field(default_factory=lambda: defaultdict(dict))
    """Of numbers: films, sums, sums of squares and cubes."""

    def add_scores(self, days: Array, batch: pa.RecordBatch) -> None:
        """Count rows of the table of scores."""
        named = batch.column("prediction").is_valid().to_numpy(zero_copy_only=False)
        self._learn_labels(batch)
        self.add(ANSWERS, days[named], batch.column("prediction").filter(pa.array(named)))
        self._add_numbers(CONFIDENCE, days[named], _numbers(batch, "confidence")[named])
        self._add_numbers(DISTANCE, days, _numbers(batch, "training_distance"))
        flags = batch.column("flags")
        self._add_total(FLAGS, days)
        parents = pc.list_parent_indices(flags).to_numpy(zero_copy_only=False)
        self._add_values(FLAGS, days[parents], pc.list_flatten(flags))
        self._add_total(REFUSALS, days)
        for name in predictor.REFUSALS:
            refused = pc.equal(pc.list_flatten(flags), name).to_numpy(zero_copy_only=False)
            self._add_refused(days[parents][refused.astype(bool)], name)

    def add_quarantined(self, days: Array, batch: pa.RecordBatch) -> None:
        """Count rows of the quarantine: files without a score."""
        self._add_total(REFUSALS, days)
        for reason in batch.column("reason").unique().to_pylist():
            is_it = pc.equal(batch.column("reason"), reason or "")
            chosen = is_it.fill_null(False).to_numpy(zero_copy_only=False)
            self._add_refused(days[chosen], reason or "no reason")

    def add(self, family: str, days: Array, values: pa.Array) -> None:
        """Count films that each have one value."""
        self._add_total(family, days)
        self._add_values(family, days, values)

    def add_right(self, days: Array, right: NDArray[np.bool_]) -> None:
        """Count labelled films, and those of them that were answered rightly."""
        self._add_total(RIGHT, days)
        _count(self.counts[RIGHT, ""], days[right])

    def courses(self) -> list[MeasureCourse]:
        """Give each measure as a course, the most important first."""
        found = [*self._of_family(ANSWERS), *self._of_numbers(), *self._of_family(REFUSALS)]
        others = [name for name in self.totals if name not in (ANSWERS, REFUSALS)]
        for family in (RIGHT, FLAGS, *(n for n in others if n not in (RIGHT, FLAGS)), REASONS):
            found += self._of_family(family)
        return found

    def days(self) -> list[int]:
        """List the days with files, scored or not."""
        return sorted(self.totals[REFUSALS])

    def values(self, family: str) -> list[str]:
        """Name the values of a family, the commonest first, labels in the model's order."""
        sums = {name: each.total() for (kind, name), each in self.counts.items() if kind == family}
        if family == ANSWERS:
            sums = {**dict.fromkeys(self.labels, 0), **sums}
            return [*self.labels, *sorted(name for name in sums if name not in self.labels)]
        return sorted(sums, key=lambda name: (-sums[name], name))

    def _of_family(self, family: str) -> Iterator[MeasureCourse]:
        totals = self.totals[REFUSALS if family == REASONS else family]
        if not totals:
            return
        pattern = NAMES.get(family, f"{family}: {{}}")
        values = self.values(family) or ([""] if family in (REFUSALS, RIGHT) else [])
        first, rest = values[:SHOWN_VALUES], values[SHOWN_VALUES:]
        by_name = {value: self.counts[family, value] for value in first}
        if rest:
            by_name[OTHERS] = sum((self.counts[family, value] for value in rest), Counter[int]())
        days = np.array(sorted(totals), dtype=np.int64)
        films = np.array([totals[day] for day in days.tolist()], dtype=np.float64)
        for value, counts in by_name.items():
            have = np.array([counts[day] for day in days.tolist()], dtype=np.float64)
            sums = np.stack([films, have, have, have], axis=1)
            name = pattern.format(value)
            yield MeasureCourse(name, family, SHARE, days, sums, family in ONLY_UP)

    def _of_numbers(self) -> Iterator[MeasureCourse]:
        for family in (CONFIDENCE, DISTANCE):
            by_day = self.moments[family]
            if by_day:
                days = np.array(sorted(by_day), dtype=np.int64)
                sums = np.stack([by_day[day] for day in days.tolist()])
                yield MeasureCourse(f"mean {family}", family, MEAN, days, sums)

    def _learn_labels(self, batch: pa.RecordBatch) -> None:
        """Take the names of the labels from the first film that has probabilities."""
        if self.labels:
            return
        for row in batch.column("probabilities"):
            if shares := dict(row.as_py() or ()):
                self.labels = tuple(shares)
                self.is_of_findings = abs(sum(shares.values()) - 1) > 1e-3
                return

    def _add_total(self, family: str, days: Array) -> None:
        _count(self.totals[family], days)

    def _add_refused(self, days: Array, reason: str) -> None:
        if not len(days):
            return
        _count(self.counts[REFUSALS, ""], days)
        _count(self.counts[REASONS, reason], days)
        self._check(REASONS)

    def _add_values(self, family: str, days: Array, values: pa.Array) -> None:
        rows = pa.table({"day": days, "value": values})
        found = rows.group_by(["day", "value"], use_threads=False).aggregate([([], "count_all")])
        for row in found.to_pylist():
            for value in self._names(family, row["value"]):
                self.counts[family, value][int(row["day"])] += row["count_all"]
        self._check(family)

    def _names(self, family: str, value: str | None) -> tuple[str, ...]:
        """Give what a film counts for: with several findings for each, with none for that."""
        if family == ANSWERS and value is not None and self.is_of_findings:
            return findings_in(value) or (value,)
        return (value or "unknown",)

    def _add_numbers(self, name: str, days: Array, numbers: Array) -> None:
        is_number = np.isfinite(numbers)
        numbers, (unique, place) = (
            numbers[is_number],
            np.unique(days[is_number], return_inverse=True),
        )
        sums = np.stack([np.bincount(place, numbers**power) for power in range(4)], axis=1)
        for day, each in zip(unique.tolist(), sums, strict=True):
            before = self.moments[name].get(int(day))
            self.moments[name][int(day)] = each if before is None else before + each

    def _check(self, family: str) -> None:
        if sum(kind == family for kind, _ in self.counts) > MOST_VALUES:
            expected = f"at most {MOST_VALUES:,} different {family} in --table"
            raise InputError(expected, "more", "Name the --table of score")


def _count(counts: Counter[int], days: Array) -> None:
    unique, films = np.unique(days, return_counts=True)
    for day, n in zip(unique.tolist(), films.tolist(), strict=True):
        counts[int(day)] += n


def _numbers(batch: pa.RecordBatch, name: str) -> Array:
    found: Array = batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return found
