"""A test set in parts: by source, view or sex, and by whether the network has learned the films."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.errors import InputError
from spark_cxr.metrics.intervals import intervals
from spark_cxr.metrics.records import Interval, Intervals
from spark_cxr.metrics.resample import Statistics, bootstrap, prepare, statistics
from spark_cxr.metrics.sample import Sample, make_sample

LEAST = 20
"""Films below which a figure says nothing: 19 of 20 has an interval of 76 to 99 %."""


@dataclass(frozen=True)
class Part:
    """One part of a test set."""

    name: str
    n: int
    groups: int
    labels: tuple[str, ...]
    """The true labels that occur in it; a part of one label has no AUC."""
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    auc_macro: float | None = None
    auc_interval: Interval | None = None

    @property
    def is_too_small(self) -> bool:
        """Say whether it has too few films for a figure."""
        return self.n < LEAST

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return {**asdict(self), "labels": list(self.labels), "too_few": self.is_too_small}


def measure_parts(
    truth: Sequence[str],
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    parts: Sequence[str | None],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[Part, ...]:
    """Measure each part by itself, the largest first; films whose part is None stay out.

    Args:
        truth: The true label of each image.
        probabilities: (images, labels).
        labels: The names of the columns.
        groups: Patient of each image.
        parts: Source, view or the like of each image.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        InputError: The arrays do not fit together.
    """
    if len(parts) != len(truth):
        raise InputError(
            f"A part, or None, for each of {len(truth)} images", f"{len(parts)}", "One for each"
        )
    make_sample(truth, probabilities, labels, groups)  # refuses what does not fit
    shares = np.asarray(probabilities, dtype=np.float64)
    found = []
    for name in sorted({part for part in parts if part is not None}):
        rows = np.flatnonzero([part == name for part in parts])
        sample = _taken(rows, truth, shares, labels, groups)
        found.append(_part(name, sample, seed, resamples))
    return tuple(sorted(found, key=lambda part: (-part.n, part.name)))


def _taken(
    rows: NDArray[np.int64],
    truth: Sequence[str],
    shares: NDArray[np.float64],
    labels: Sequence[str],
    groups: Sequence[str],
) -> Sample:
    return make_sample(
        [truth[row] for row in rows], shares[rows], labels, [groups[row] for row in rows]
    )


def _part(name: str, sample: Sample, seed: int, resamples: int) -> Part:
    present = tuple(sample.labels[code] for code in np.unique(sample.truth))
    bare = Part(name, sample.n, sample.n_groups, present)
    if bare.is_too_small:
        return bare
    prepared = prepare(sample)
    whole = statistics(prepared, np.ones((sample.n_groups, 1)))
    drawn = bootstrap(prepared, sample.n, resamples, seed)
    return _with_figures(bare, whole, intervals(drawn, prepared, resamples, seed))


def _with_figures(bare: Part, whole: Statistics, between: Intervals) -> Part:
    auc = float(whole.auc_macro[0])
    return Part(
        bare.name,
        bare.n,
        bare.groups,
        bare.labels,
        accuracy=float(whole.accuracy[0]),
        accuracy_interval=between.accuracy,
        auc_macro=None if np.isnan(auc) else auc,
        auc_interval=None if np.isnan(auc) else between.auc_macro,
    )


@dataclass(frozen=True)
class Overlap:
    """Test films that the network was trained on, or near-duplicates of such."""

    network: str
    n: int
    """Test films."""
    exact: int | None
    """Test films with the pixels of one that the network was trained on; None: not known."""
    near: int | None
    """Further ones that are near-duplicates of one."""
    others: Part | None = None
    """The test on the films that it was not trained on; None where there are none, or only such."""

    @property
    def learned(self) -> int | None:
        """Count the test films that it was trained on; None where its films are not known."""
        return None if self.exact is None or self.near is None else self.exact + self.near

    @property
    def share(self) -> float:
        """Give their share of the test; 0 where they are not known."""
        return (self.learned or 0) / self.n if self.n else 0.0

    def to_json(self) -> dict[str, Any]:
        """Give the counts, and the figure on the other films."""
        return {
            "network": self.network,
            "test_films": self.n,
            "learned": self.learned,
            "exact": self.exact,
            "near_duplicates": self.near,
            "others": self.others and self.others.to_json(),
        }
