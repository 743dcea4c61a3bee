"""From resamples to intervals of measures and bands around curves."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spark_cxr.metrics.records import Band, Curves, Interval, Intervals
from spark_cxr.metrics.resample import CHUNK_CELLS, Prepared, Statistics, draws
from spark_cxr.metrics.sample import Flags, Floats, Ints, Sample

LEVEL = 0.95
Z = 1.959963984540054
"""The normal quantile that belongs to `LEVEL`."""
MIN_DEFINED = 0.5
"""Share of the resamples in which a measure must exist before its interval means something."""
SAME = 1e-12
"""Resamples that differ by less than this differ by rounding only."""

RESAMPLES = 400
"""A drawn band needs less precision than the printed ends of an interval."""
STEPS = 50
HAIR = 1e-12
"""A recall of 3/50 is a hair off in floating point, and must still reach 0.06."""

RATES: Floats = np.arange(STEPS + 1) / STEPS
RECALLS: Floats = RATES[1:]
"""From the first step: at a recall of 0 any precision may stand."""

Reader = Callable[[Floats, Floats], Floats]
"""(hits, alarms), each (resamples, thresholds) → (resamples, places)."""


def intervals(drawn: Statistics, prepared: Prepared, resamples: int, seed: int) -> Intervals:
    """Summarise the resamples of every measure that has an interval."""
    n_groups, k = len(prepared.sums), len(prepared.rankings)
    # Which groups have an image in which cell of the confusion matrix.
    groups = prepared.sums[:, : k * k].reshape(-1, k, k) > 0
    present = groups.any(axis=2)
    # No more is known of an AUC than the side of fewer groups can tell.
    others = (present.sum(axis=1, keepdims=True) > present).sum(axis=0)
    sides = np.minimum(present.sum(axis=0), others)
    return Intervals(
        level=LEVEL,
        resamples=resamples,
        seed=seed,
        accuracy=share_interval(drawn.accuracy, n_groups),
        f1_macro=percentile_interval(drawn.f1_macro),
        auc_macro=share_interval(drawn.auc_macro, int(min(sides[sides > 0], default=0))),
        log_loss=percentile_interval(drawn.log_loss),
        brier=percentile_interval(drawn.brier),
        precision=_share_intervals(drawn.precision, groups.any(axis=1).sum(axis=0)),
        recall=_share_intervals(drawn.recall, present.sum(axis=0)),
        f1=tuple(percentile_interval(drawn.f1[:, label]) for label in range(k)),
        auc=_share_intervals(drawn.auc, sides),
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

    So also of an AUC, which is a share of pairs. Ten patients without a mistake do not prove that
    there are none: 10 of 10 is 72 to 100 %.
    """
    found = percentile_interval(drawn)
    defined = drawn[~np.isnan(drawn)]
    if found is not None or n_groups == 0 or len(defined) < max(1.0, MIN_DEFINED * len(drawn)):
        return found
    certain = n_groups / (n_groups + Z**2)
    if abs(defined[0] - 1.0) < SAME:
        return Interval(certain, 1.0)
    return Interval(0.0, 1.0 - certain) if defined[0] < SAME else None


def difference_interval(
    first: float, first_between: Interval, second: float, second_between: Interval
) -> Interval:
    """Give the interval of first - second, figures of independent samples, from their intervals.

    Each end takes from either figure the distance to the end that pulls the same way, and the two
    distances add like sides of a right angle (Zou and Donner 2008): lopsided intervals stay so.
    Ends that lie at infinity, as logarithms of 0 do, stay there.
    """
    difference = first - second
    down = np.hypot(first - first_between.low, second_between.high - second)
    up = np.hypot(first_between.high - first, second - second_between.low)
    return Interval(float(difference - down), float(difference + up))


def _share_intervals(drawn: Floats, groups: Ints) -> tuple[Interval | None, ...]:
    return tuple(share_interval(drawn[:, label], int(n)) for label, n in enumerate(groups))


def add_bands(curves: Curves, sample: Sample, seed: int) -> Curves:
    """Give each curve its band; a test set of one group has none."""
    if sample.n_groups < 2:
        return curves
    return replace(
        curves,
        roc=tuple(
            each and replace(each, band=band(sample, label, RATES, read_roc, seed))
            for label, each in enumerate(curves.roc)
        ),
        precision_recall=tuple(
            each and replace(each, band=band(sample, label, RECALLS, read_precision, seed))
            for label, each in enumerate(curves.precision_recall)
        ),
    )


def band(sample: Sample, label: int, at: Floats, read: Reader, seed: int) -> Band | None:
    """Draw groups, read the curve at each place, and keep the middle 95 %."""
    scores = sample.probabilities[:, label]
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    groups, positive = sample.groups[order], (sample.truth == label)[order]
    width = max(1, CHUNK_CELLS // sample.n)
    drawn = [
        read(*weigh(weights, groups, positive, ends))
        for weights in draws(sample.n_groups, RESAMPLES, width, seed)
    ]
    return middle(np.concatenate(drawn), at)


def weigh(weights: Floats, groups: Ints, positive: Flags, ends: Ints) -> tuple[Floats, Floats]:
    """Count hits and alarms at or above each distinct score under each draw."""
    each = weights.T[:, groups]
    hits = np.cumsum(each * positive, axis=1)[:, ends]
    return hits, np.cumsum(each, axis=1)[:, ends] - hits


def read_roc(hits: Floats, alarms: Floats) -> Floats:
    """Read the true positive rate at each of `RATES`; NaN where a draw lacks one kind."""
    found: Floats = np.full((len(hits), len(RATES)), np.nan)
    for row in np.flatnonzero((hits[:, -1] > 0) & (alarms[:, -1] > 0)):
        across = np.append(0.0, alarms[row] / alarms[row, -1])
        found[row] = np.interp(RATES, across, np.append(0.0, hits[row] / hits[row, -1]))
    return found


def read_precision(hits: Floats, alarms: Floats) -> Floats:
    """Read the precision where each of `RECALLS` is first reached; NaN without positives."""
    found: Floats = np.full((len(hits), len(RECALLS)), np.nan)
    for row in np.flatnonzero(hits[:, -1] > 0):
        first = np.searchsorted(hits[row] / hits[row, -1], RECALLS - HAIR)
        found[row] = hits[row, first] / (hits[row, first] + alarms[row, first])
    return found


def middle(drawn: Floats, at: Floats) -> Band | None:
    """Keep the middle 95 % at each place; None where most draws have no curve."""
    defined = drawn[~np.isnan(drawn[:, 0])]
    if len(defined) < MIN_DEFINED * len(drawn):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Band(tuple(at.tolist()), tuple(low.tolist()), tuple(high.tolist()))
