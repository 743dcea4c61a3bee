"""The calibration error that a perfectly calibrated classifier shows by chance alone."""

import numpy as np

from spark_cxr.metrics.calibration import reliability
from spark_cxr.metrics.sample import Floats

DRAWS = 400


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
