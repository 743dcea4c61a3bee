"""A scored test set measured: as a whole, in parts, and what of it the network was trained on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError
from spark_cxr.metrics import calibration, ranks
from spark_cxr.metrics.counts import optional
from spark_cxr.metrics.intervals import add_bands, intervals
from spark_cxr.metrics.records import Curves, Interval, Intervals, Metrics, RocCurve
from spark_cxr.metrics.resample import Statistics, bootstrap, prepare, statistics, sum_cells
from spark_cxr.metrics.sample import Sample, make_sample, rows_of_parts

LEAST = 20
"""Films below which a figure says nothing: 19 of 20 has an interval of 76 to 99 %."""


def measure(
    truth: Sequence[str],
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
    specificity: float = 0.95,
) -> Metrics:
    """Measure a classifier on a test set, with 95 % intervals from resampling groups.

    Args:
        truth: The true label of each image.
        probabilities: (images, labels); the largest of a row is the prediction.
        labels: The names of the columns of `probabilities`.
        groups: Patient of each image (its path where the patient is not known).
        seed: Of the resampling; the same seed gives the same intervals.
        resamples: How many; the ends of the intervals settle at about 1,000.
        specificity: What sensitivity is read off at.

    Raises:
        InputError: The arrays do not fit together, or hold what is not a probability or label.
        ConfigError: `resamples` or `specificity` is out of range.
    """
    _check_settings(resamples, specificity)
    sample = make_sample(truth, probabilities, labels, groups)
    whole, found = _statistics(sample, resamples, seed)
    return _assemble(sample, whole, found, add_bands(_trace(sample), sample, seed), specificity)


def _check_settings(resamples: int, specificity: float) -> None:
    if resamples < 100:
        raise ConfigError(
            "At least 100 resamples for a 95 % interval",
            f"resamples={resamples}",
            "Leave it at 1000",
        )
    if not 0 <= specificity <= 1:
        raise ConfigError("A specificity in 0..1", f"specificity={specificity}", "Try 0.95")


def _statistics(sample: Sample, resamples: int, seed: int) -> tuple[Statistics, Intervals]:
    """Measure a sample as it is, and give intervals from its resamples."""
    prepared = prepare(sample)
    drawn = bootstrap(prepared, sample.n, resamples, seed)
    whole = statistics(prepared, np.ones((sample.n_groups, 1)))
    return whole, intervals(drawn, prepared, resamples, seed)


def _assemble(
    sample: Sample, whole: Statistics, found: Intervals, curves: Curves, specificity: float
) -> Metrics:
    cells = sum_cells(sample).sum(axis=0).astype(int)
    return Metrics(
        labels=sample.labels,
        n=sample.n,
        groups=sample.n_groups,
        accuracy=float(whole.accuracy[0]),
        majority=float(cells.sum(axis=1).max() / sample.n),
        f1_macro=float(whole.f1_macro[0]),
        auc_macro=optional(whole.auc_macro)[0],
        log_loss=float(whole.log_loss[0]),
        brier=float(whole.brier[0]),
        ece=curves.reliability.ece,
        precision=optional(whole.precision[0]),
        recall=optional(whole.recall[0]),
        f1=optional(whole.f1[0]),
        auc=optional(whole.auc[0]),
        average_precision=tuple(
            None if curve is None else curve.average_precision for curve in curves.precision_recall
        ),
        specificity=specificity,
        sensitivity=tuple(ranks.sensitivity_at(curve, specificity) for curve in curves.roc),
        confusion=tuple(tuple(row) for row in cells.tolist()),
        intervals=found,
        curves=curves,
    )


def _trace(sample: Sample) -> Curves:
    """Trace all curves, each label against the rest."""
    each = [
        (sample.truth == label, sample.probabilities[:, label])
        for label in range(len(sample.labels))
    ]
    traced: list[RocCurve | None] = [ranks.roc(positive, scores) for positive, scores in each]
    return Curves(
        roc=tuple(traced),
        precision_recall=tuple(
            ranks.precision_recall(positive, scores) for positive, scores in each
        ),
        reliability=calibration.reliability(sample.confidence, sample.predicted == sample.truth),
    )


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
    rows_of = rows_of_parts(parts, len(truth), "images")
    make_sample(truth, probabilities, labels, groups)  # refuses what does not fit
    shares = np.asarray(probabilities, dtype=np.float64)
    found = []
    for name, rows in rows_of.items():
        sample = make_sample(
            [truth[row] for row in rows], shares[rows], labels, [groups[row] for row in rows]
        )
        found.append(_part(name, sample, seed, resamples))
    return tuple(sorted(found, key=lambda part: (-part.n, part.name)))


def _part(name: str, sample: Sample, seed: int, resamples: int) -> Part:
    present = tuple(sample.labels[code] for code in np.unique(sample.truth))
    bare = Part(name, sample.n, sample.n_groups, present)
    if bare.is_too_small:
        return bare
    whole, between = _statistics(sample, resamples, seed)
    auc = optional(whole.auc_macro)[0]
    return replace(
        bare,
        accuracy=float(whole.accuracy[0]),
        accuracy_interval=between.accuracy,
        auc_macro=auc,
        auc_interval=None if auc is None else between.auc_macro,
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
