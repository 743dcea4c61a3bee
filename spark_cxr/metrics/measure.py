"""The one call that turns a scored test set into `Metrics`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.errors import ConfigError
from spark_cxr.metrics import calibration, ranks
from spark_cxr.metrics.counts import optional
from spark_cxr.metrics.intervals import add_bands, intervals
from spark_cxr.metrics.records import Curves, Intervals, Metrics, RocCurve
from spark_cxr.metrics.resample import Statistics, bootstrap, prepare, statistics, sum_cells
from spark_cxr.metrics.sample import Sample, make_sample


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
    prepared = prepare(sample)
    whole = statistics(prepared, np.ones((sample.n_groups, 1)))
    drawn = bootstrap(prepared, sample.n, resamples, seed)
    found = intervals(drawn, prepared, resamples, seed)
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
