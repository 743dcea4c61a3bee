"""From resampled measures to intervals, and what to give where resampling shows nothing."""

import numpy as np

from spark_cxr.metrics.records import Interval, Intervals
from spark_cxr.metrics.resample import Prepared, Statistics
from spark_cxr.metrics.sample import Floats, Ints

LEVEL = 0.95
Z = 1.959963984540054
"""The normal quantile that belongs to `LEVEL`."""
MIN_DEFINED = 0.5
"""Share of the resamples in which a measure must exist before its interval means something."""
SAME = 1e-12
"""Resamples that differ by less than this differ by rounding only."""


def intervals(drawn: Statistics, prepared: Prepared, resamples: int, seed: int) -> Intervals:
    """Summarise the resamples of every measure that has an interval."""
    n_groups, k = len(prepared.sums), len(prepared.rankings)
    groups = _groups_with_cells(prepared)
    return Intervals(
        level=LEVEL,
        resamples=resamples,
        seed=seed,
        accuracy=share_interval(drawn.accuracy, n_groups),
        f1_macro=percentile_interval(drawn.f1_macro),
        auc_macro=percentile_interval(drawn.auc_macro),
        log_loss=percentile_interval(drawn.log_loss),
        brier=percentile_interval(drawn.brier),
        precision=_share_intervals(drawn.precision, groups.any(axis=1).sum(axis=0)),
        recall=_share_intervals(drawn.recall, groups.any(axis=2).sum(axis=0)),
        f1=tuple(percentile_interval(drawn.f1[:, label]) for label in range(k)),
        auc=tuple(percentile_interval(drawn.auc[:, label]) for label in range(k)),
        average_precision=tuple(
            percentile_interval(drawn.average_precision[:, label]) for label in range(k)
        ),
    )


def percentile_interval(drawn: Floats) -> Interval | None:
    """Give the middle 95 % of the resamples; None if too few exist or all are the same."""
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < max(1.0, MIN_DEFINED * len(drawn)) or np.ptp(defined) < SAME:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def share_interval(drawn: Floats, n_groups: int) -> Interval | None:
    """Give the percentile interval of a share, or Wilson's where all resamples are 0 or all 1.

    Ten patients without a mistake do not prove that there are none: 10 of 10 is 72 to 100 %.
    """
    found = percentile_interval(drawn)
    defined = drawn[~np.isnan(drawn)]
    if found is not None or n_groups == 0 or len(defined) < max(1.0, MIN_DEFINED * len(drawn)):
        return found
    certain = n_groups / (n_groups + Z**2)
    if abs(defined[0] - 1.0) < SAME:
        return Interval(certain, 1.0)
    return Interval(0.0, 1.0 - certain) if defined[0] < SAME else None


def _share_intervals(drawn: Floats, groups: Ints) -> tuple[Interval | None, ...]:
    return tuple(share_interval(drawn[:, label], int(n)) for label, n in enumerate(groups))


def _groups_with_cells(prepared: Prepared) -> np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]:
    """Say which groups have an image in which cell of the confusion matrix."""
    k = len(prepared.rankings)
    return prepared.sums[:, : k * k].reshape(-1, k, k) > 0
