"""Whether stated probabilities can be trusted, and how wrong they may look by chance alone."""

import numpy as np

from spark_cxr.metrics.counts import optional, ratio
from spark_cxr.metrics.records import Reliability
from spark_cxr.metrics.sample import Flags, Floats, Ints, Sample

FLOOR = 1e-15
"""Least probability in a logarithm, as in Spark's MulticlassClassificationEvaluator."""

DRAWS = 400


def log_losses(sample: Sample) -> Floats:
    """Give minus the logarithm of each true label's probability."""
    stated = sample.probabilities[np.arange(sample.n), sample.truth]
    return -np.log(np.clip(stated, FLOOR, 1.0))


def brier_scores(sample: Sample) -> Floats:
    """Give half the squared distance of each row from the truth, between 0 and 1.

    Halved so that two labels give the Brier score that everybody means.
    """
    wanted = np.eye(len(sample.labels))[sample.truth]
    return np.asarray(((sample.probabilities - wanted) ** 2).sum(axis=1) / 2)


def reliability(confidence: Floats, right: Flags, bins: int = 10) -> Reliability:
    """Compare confidence with success in bins of equal width, each open on its left."""
    edges = np.arange(bins + 1) / bins
    bin_of, stated = _fill_bins(confidence, bins)
    counts, found = _count(bin_of, bins), _count(bin_of[right], bins)
    return Reliability(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.astype(int).tolist()),
        confidence=optional(ratio(stated, counts)),
        right=optional(ratio(found, counts)),
        ece=float(np.abs(stated - found).sum() / len(confidence)),
    )


def honest_ece(confidence: Floats, seed: int = 0, share: float = 0.975) -> float:
    """Give the calibration error that an honest classifier stays below in most test sets.

    With few films the error is never 0, however honest the probabilities: so draw which films it
    would be right on, as often as it says itself, and measure.
    """
    rng = np.random.default_rng(seed)
    n, bins = len(confidence), 10
    bin_of, stated = _fill_bins(confidence, bins)
    found = (_count(bin_of[rng.random(n) < confidence], bins) for _ in range(DRAWS))
    drawn = [float(np.abs(stated - each).sum() / n) for each in found]
    return float(np.quantile(drawn, share))


def _fill_bins(confidence: Floats, bins: int) -> tuple[Ints, Floats]:
    """Give the bin of each film, and the sum of the confidence in each bin."""
    edges = np.arange(bins + 1) / bins
    bin_of = np.searchsorted(edges[1:-1], confidence, side="left")
    stated: Floats = np.zeros(bins)
    np.add.at(stated, bin_of, confidence)
    return bin_of, stated


def _count(bin_of: Ints, bins: int) -> Floats:
    return np.bincount(bin_of, minlength=bins).astype(np.float64)
