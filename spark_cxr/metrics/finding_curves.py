"""The curves of one finding: computed in full, kept as finely as a drawing can show."""

from dataclasses import replace

import numpy as np

from spark_cxr.metrics import calibration, ranks
from spark_cxr.metrics.finding_records import FindingCurves
from spark_cxr.metrics.intervals import (
    RATES,
    RECALLS,
    RESAMPLES,
    middle,
    read_precision,
    read_roc,
)
from spark_cxr.metrics.records import Band, PrecisionRecallCurve, RocCurve
from spark_cxr.metrics.resample import CHUNK_CELLS, draws
from spark_cxr.metrics.sample import Flags, Floats, Ints

KEPT = 200
"""Steps along each axis: a small drawing shows no more, and 28,000 films have as many points."""
FINE = 1000
"""Steps at which a band is computed."""


def finding_curves(
    positive: Flags, scores: Floats, groups: Ints, n_groups: int, seed: int, banded: bool
) -> FindingCurves:
    """Trace the curves of a finding over its known films, with bands from resampled groups."""
    if not len(scores):
        return FindingCurves(None, None, None)
    roc, precision = ranks.roc(positive, scores), ranks.precision_recall(positive, scores)
    bands: tuple[Band | None, Band | None] = (None, None)
    if banded and roc is not None and n_groups > 1:
        bands = _bands(positive, scores, groups, n_groups, seed)
    return FindingCurves(
        roc and replace(_thin_roc(roc), band=bands[0]),
        precision and replace(_thin(precision), band=bands[1]),
        calibration.reliability(scores, positive),
    )


def _bands(
    positive: Flags, scores: Floats, groups: Ints, n_groups: int, seed: int
) -> tuple[Band | None, Band | None]:
    """Draw groups, read both curves in each draw, and keep the middle 95 %."""
    order = np.argsort(-scores, kind="stable")
    has, drawn_groups = positive[order], groups[order]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(has)[ends]
    alarms = ends + 1 - hits
    ends = ends[np.union1d(_places(hits / hits[-1], FINE), _places(alarms / alarms[-1], FINE))]
    starts = np.append(0, ends[:-1] + 1)
    width = max(1, CHUNK_CELLS // len(order))
    found = []
    for weights in draws(n_groups, RESAMPLES, width, seed):
        films = weights[drawn_groups]
        both = np.cumsum(np.add.reduceat(films, starts, axis=0), axis=0).T
        hits_drawn = np.cumsum(np.add.reduceat(films * has[:, None], starts, axis=0), axis=0).T
        counts = hits_drawn, both - hits_drawn
        found.append((read_roc(*counts), read_precision(*counts)))
    roc, precision = (np.concatenate(each) for each in zip(*found, strict=True))
    return middle(roc, RATES), middle(precision, RECALLS)


def _thin_roc(curve: RocCurve) -> RocCurve:
    across, up = np.asarray(curve.false_positive_rate), np.asarray(curve.true_positive_rate)
    kept = np.union1d(_places(across), _places(up))
    return replace(
        curve,
        false_positive_rate=tuple(across[kept].tolist()),
        true_positive_rate=tuple(up[kept].tolist()),
        thresholds=tuple(np.asarray(curve.thresholds)[kept].tolist()),
    )


def _thin(curve: PrecisionRecallCurve) -> PrecisionRecallCurve:
    recall, precision = np.asarray(curve.recall), np.asarray(curve.precision)
    kept = _places(recall)
    return replace(
        curve, recall=tuple(recall[kept].tolist()), precision=tuple(precision[kept].tolist())
    )


def _places(rising: Floats, steps: int = KEPT) -> Ints:
    """Give the first point at or above each step from 0 to 1, and the last of all."""
    first = np.searchsorted(rising, np.arange(steps + 1) / steps)
    return np.unique(np.append(first, len(rising) - 1).clip(max=len(rising) - 1))
