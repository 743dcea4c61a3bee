"""What a model of findings says of a film, from probabilities and operating points.

A finding's operating point is the probability from which on the film is said to have it. How far
a probability lies above or below it is measured in log odds, so that a rare finding, whose
operating point is low, and a frequent one are measured alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log

NO_FINDING = "No Finding"
"""What stands for a film that has none of the findings of a model."""
SIGN = "|"
"""Between findings where several stand in one text, as the publishers of such sets write them."""
_LEAST = 1e-12
"""Probabilities nearer to 0 or 1 count as this near: a logarithm has to be finite."""


def joined(findings: Iterable[str]) -> str:
    """Write the findings of a film as one text."""
    return SIGN.join(findings) or NO_FINDING


def findings_in(text: str) -> tuple[str, ...]:
    """Read the findings of a film from what `joined` has written: none for `NO_FINDING`."""
    return () if text == NO_FINDING else tuple(text.split(SIGN))


def positives(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float]
) -> tuple[str, ...]:
    """Name the findings at or above their operating points, in the order of `probabilities`."""
    return tuple(name for name, share in probabilities.items() if share >= thresholds[name])


def log_odds(share: float) -> float:
    """Give the logarithm of the odds that a probability stands for."""
    bounded = min(max(share, _LEAST), 1 - _LEAST)
    return log(bounded / (1 - bounded))


def distances(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float]
) -> dict[str, float]:
    """Measure how far each finding lies above its operating point, or with a minus below it."""
    return {
        name: log_odds(share) - log_odds(thresholds[name]) for name, share in probabilities.items()
    }


def certainty(probabilities: Mapping[str, float], thresholds: Mapping[str, float]) -> float:
    """Say how sure it is whether a film has anything: 0 where that hangs on a hair.

    It is the distance of the finding that is furthest above its operating point, or where none is
    above, least below.
    """
    return abs(max(distances(probabilities, thresholds).values()))


def leading(probabilities: Mapping[str, float], thresholds: Mapping[str, float]) -> str:
    """Name the finding furthest above its operating point, or if none is above, the likeliest."""
    above = distances(probabilities, thresholds)
    found = positives(probabilities, thresholds)
    if found:
        return max(found, key=above.__getitem__)
    return max(probabilities, key=probabilities.__getitem__)
