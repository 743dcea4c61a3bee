"""Has what arrives moved away from what the model was trained on? Sums in, sentences out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Protocol

from spark_cxr.model.findings import findings_in
from spark_cxr.model.predictor import UNLIKE
from spark_cxr.model.reference import Reference
from spark_cxr.settings import Drift

SIGMAS = 3.0
"""Standard errors that are allowed for chance, on top of what the settings allow."""


class Scored(Protocol):
    """What is counted of a film that was scored."""

    @property
    def prediction(self) -> str | None:
        """Give the label; None where no class is named."""
        ...

    @property
    def confidence(self) -> float | None:
        """Give its probability; None where no class is named."""
        ...

    @property
    def training_distance(self) -> float:
        """Give the distance from the training."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """Give the film's flags."""
        ...


@dataclass
class Tally:
    """Sums over scored films: of any number of them, in the memory of a few."""

    is_of_findings: bool = False
    """Whether a film counts for each finding that it is said to have."""
    n: int = 0
    named: int = 0
    """Films for which a class is named: only they have a confidence."""
    labels: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    confidence: float = 0.0
    distance: float = 0.0

    def add(self, films: Iterable[Scored]) -> None:
        """Count films."""
        for film in films:
            self.n += 1
            self.flags.update(film.flags)
            self.distance += film.training_distance
            if film.prediction is not None and film.confidence is not None:
                self.named += 1
                self.labels.update(self._labels_of(film.prediction))
                self.confidence += film.confidence

    def _labels_of(self, prediction: str) -> tuple[str, ...]:
        """Name what a film counts for; one that is said to have nothing counts for that."""
        return (findings_in(prediction) if self.is_of_findings else ()) or (prediction,)


@dataclass(frozen=True)
class Measure:
    """One thing that may drift."""

    name: str
    expected: float
    found: float
    allowed: float
    """Difference up to which it counts as the same: the setting, and what chance makes of n."""
    only_up: bool = False
    """Films that are nearer to the training than it was to itself are no cause for a warning."""

    @property
    def has_moved(self) -> bool:
        """Say whether it is worth a warning."""
        away = self.found - self.expected
        return (away if self.only_up else abs(away)) > self.allowed


def measure_drift(tally: Tally, reference: Reference, limits: Drift) -> tuple[Measure, ...]:
    """Hold what was scored against the training: shares, confidence, distance, what is unlike."""
    return tuple(_measures(tally, reference, limits)) if tally.n else ()


def _measures(tally: Tally, known: Reference, limits: Drift) -> Iterator[Measure]:
    if tally.named:
        yield from _of_named(tally, known, limits)
    chance = SIGMAS / sqrt(tally.n)
    yield Measure(
        "mean distance",
        known.distance,
        tally.distance / tally.n,
        limits.warn_distance + chance * known.distance_spread,
        only_up=True,
    )
    usual = known.false_alarms
    wide = chance * sqrt(max(usual * (1 - usual), 0.001))
    found = tally.flags[UNLIKE] / tally.n
    yield Measure("share unlike", usual, found, limits.warn_unlike + wide, only_up=True)


def _of_named(tally: Tally, known: Reference, limits: Drift) -> Iterator[Measure]:
    """Measure what only films with a class have: shares of the classes, and confidence."""
    chance = SIGMAS / sqrt(tally.named)
    for label, share in known.shares.items():
        wide = chance * sqrt(max(share * (1 - share), 0.01))
        yield Measure(
            f"share {label}", share, tally.labels[label] / tally.named, limits.warn_share + wide
        )
    yield Measure(
        "mean confidence",
        known.confidence,
        tally.confidence / tally.named,
        limits.warn_confidence + chance * known.confidence_spread,
    )


def to_json(measures: Iterable[Measure]) -> dict[str, dict[str, float | bool]]:
    """Give the measures for run.json."""
    return {
        each.name: {
            "expected": round(each.expected, 4),
            "found": round(each.found, 4),
            "allowed": round(each.allowed, 4),
            "moved": each.has_moved,
        }
        for each in measures
    }


def warnings_of(measures: Iterable[Measure]) -> list[str]:
    """Word what has moved."""
    return [
        f"drift: {each.name} is {each.found:.3f}, {each.expected:.3f} at training "
        f"(up to {each.allowed:.3f} apart counts as the same)"
        for each in measures
        if each.has_moved
    ]
