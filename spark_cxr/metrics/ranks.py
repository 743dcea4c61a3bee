"""Measures that need only the order of the scores: one label against the rest."""

import math
from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics.counts import ratio
from spark_cxr.metrics.records import PrecisionRecallCurve, RocCurve
from spark_cxr.metrics.sample import Flags, Floats, Ints


@dataclass(frozen=True)
class Ranking:
    """Sorted once, so that each resample costs a sum instead of a sort.

    A positive image wins against the negatives scored lower and half-wins against its ties:
    those before `below` and before `upto` in the ascending order of the negatives, counted in
    the runs of negatives that no positive lies between. Positives ascend too; those before
    `beaten` are scored lower than this one.
    """

    positive_groups: Ints
    negative_groups: Ints
    runs: Ints
    """Where each run of negatives starts."""
    below: Ints
    upto: Ints
    beaten: Ints


def rank(positive: Flags, scores: Floats, groups: Ints) -> Ranking:
    """Place each positive among the sorted negatives, and among its like."""
    order = np.argsort(scores[~positive], kind="stable")
    rising = np.argsort(scores[positive], kind="stable")
    ladder, own = scores[~positive][order], scores[positive][rising]
    below, upto = (np.searchsorted(ladder, own, side=side) for side in ("left", "right"))
    steps = np.unique(np.concatenate([[0], below, upto]))
    return Ranking(
        positive_groups=groups[positive][rising],
        negative_groups=groups[~positive][order],
        runs=steps[steps < len(ladder)],
        below=np.searchsorted(steps, below),
        upto=np.searchsorted(steps, upto),
        beaten=np.searchsorted(own, own, side="left"),
    )


def weighted_auc(ranking: Ranking, weights: Floats) -> Floats:
    """Give the AUC under each column of `weights` (groups, resamples); NaN where undefined."""
    return weighted_areas(ranking, weights)[0]


def weighted_areas(ranking: Ranking, weights: Floats) -> tuple[Floats, Floats]:
    """Give AUC and average precision under each column of `weights`; NaN where undefined."""
    negatives = _running_sum(
        np.add.reduceat(weights[ranking.negative_groups], ranking.runs, axis=0)
    )
    positives = weights[ranking.positive_groups]
    own = _running_sum(positives)
    wins = negatives[ranking.below]
    alarms = negatives[-1] - wins
    wins += negatives[ranking.upto]
    wins *= positives
    hits = own[-1] - own[ranking.beaten]
    # A positive that this draw left out may stand at 0 / 0; its weight of 0 must stay 0.
    precision = np.divide(hits, hits + alarms, out=np.zeros_like(hits), where=hits > 0)
    precision *= positives
    auc = ratio(wins.sum(axis=0) / 2, own[-1] * negatives[-1])
    return auc, ratio(precision.sum(axis=0), own[-1])


def area_under_roc(positive: Flags, scores: Floats) -> float | None:
    """Give the chance that a positive scores above a negative, ties counting half."""
    each = np.arange(len(scores), dtype=np.int64)
    area = weighted_auc(rank(positive, scores, each), np.ones((len(scores), 1)))[0]
    return None if np.isnan(area) else float(area)


def roc(positive: Flags, scores: Floats) -> RocCurve | None:
    """Trace true against false positive rate over every threshold; None without both kinds."""
    if positive.all() or not positive.any():
        return None
    hits, alarms = _running_counts(positive, scores)
    return RocCurve(
        false_positive_rate=(0.0, *(alarms / alarms[-1]).tolist()),
        true_positive_rate=(0.0, *(hits / hits[-1]).tolist()),
        thresholds=(math.inf, *np.unique(scores)[::-1].tolist()),
    )


def precision_recall(positive: Flags, scores: Floats) -> PrecisionRecallCurve | None:
    """Trace precision against recall over every threshold; None without positives."""
    if not positive.any():
        return None
    hits, alarms = _running_counts(positive, scores)
    precision, recall = hits / (hits + alarms), hits / hits[-1]
    return PrecisionRecallCurve(
        recall=tuple(recall.tolist()),
        precision=tuple(precision.tolist()),
        average_precision=float(np.sum(np.diff(recall, prepend=0.0) * precision)),
        prevalence=float(positive.mean()),
    )


def sensitivity_at(curve: RocCurve | None, specificity: float) -> float | None:
    """Give the best true positive rate among thresholds that keep at least this specificity."""
    if curve is None:
        return None
    # 1 - 0.95 is a hair above 0.05 in floating point, and a rate of 1/20 must still count.
    allowed = np.asarray(curve.false_positive_rate) <= 1 - specificity + 1e-12
    return float(np.max(np.asarray(curve.true_positive_rate)[allowed]))


def _running_sum(weights: Floats) -> Floats:
    """Sum up along the first axis, from 0."""
    ladder = np.zeros((len(weights) + 1, weights.shape[1]))
    np.cumsum(weights, axis=0, out=ladder[1:])
    return ladder


def _running_counts(positive: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Count positives and negatives at or above each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    falling, hit = scores[order], positive[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    hits = np.cumsum(hit)[ends].astype(np.float64)
    return hits, ends + 1.0 - hits
