"""Whether stated probabilities can be trusted, and how wrong they may look by chance alone."""

import numpy as np

from spark_cxr.metrics.counts import optional, ratio
from spark_cxr.metrics.records import Reliability
from spark_cxr.metrics.sample import Flags, Floats, Sample

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
    bin_of = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(bin_of, minlength=bins).astype(np.float64)
    stated: Floats = np.zeros(bins)
    found: Floats = np.zeros(bins)
    np.add.at(stated, bin_of, confidence)
    np.add.at(found, bin_of, right.astype(np.float64))
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
    drawn = [
        reliability(confidence, rng.random(len(confidence)) < confidence).ece for _ in range(DRAWS)
    ]
    return float(np.quantile(drawn, share))
