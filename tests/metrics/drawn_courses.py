"""Drawn courses of scored films: weekdays and patients differ, and a shift may be planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics.course import MEAN, SHARE, WEEK, MeasureCourse

FIRST = 738887
"""A Monday: 1 January 2024."""


@dataclass(frozen=True)
class DrawnCourse:
    """How films come, and what changes from which week on."""

    weeks: int = 60
    films: int = 300
    """A week."""
    shares: tuple[float, ...] = (0.6, 0.25, 0.1, 0.05)
    refused: float = 0.02
    repeats: float = 0.1
    """Further films of a patient on the same day, in the mean: like the first in all."""
    between_weeks: float = 0.05
    """Spread of the weeks' own log odds."""
    shift_from: int = 10**6
    share: float = 0.0
    """Added to the third class from that week on, and so on."""
    confidence: float = 0.0
    distance: float = 0.0
    refusals: float = 0.0

    def courses(self, rng: np.random.Generator) -> list[MeasureCourse]:
        """Draw a course."""
        days = np.arange(self.weeks * WEEK)
        busy = np.array([1.2, 1.25, 1.2, 1.15, 1.1, 0.6, 0.5])[days % WEEK] / WEEK
        patients = rng.poisson(self.films / (1 + self.repeats) * busy)
        day = np.repeat(days, patients)
        films = 1 + rng.poisson(self.repeats, len(day))
        moved = day // WEEK >= self.shift_from
        odds = rng.normal(0, self.between_weeks, self.weeks)[day // WEEK]
        weekend = np.where(day % WEEK > 4, 0.3, 0.0)
        shares = np.tile(np.array(self.shares), (len(day), 1))
        shares[:, 2] *= np.exp(odds + weekend)
        shares /= shares.sum(axis=1, keepdims=True)
        more = np.where(moved, self.share, 0.0)
        shares *= ((1 - shares[:, 2] - more) / (1 - shares[:, 2]))[:, None]
        shares[:, 2] = 1 - np.delete(shares, 2, axis=1).sum(axis=1)
        label = (rng.random(len(day))[:, None] > np.cumsum(shares, axis=1)).sum(axis=1)
        sure = 1 - 0.5 * rng.beta(1, 4, len(day)) + np.where(moved, self.confidence, 0.0)
        spread = 0.2
        far = rng.gamma(9, spread / 3, len(day)) + np.where(moved, self.distance * spread, 0.0)
        out = rng.random(len(day)) < self.refused + np.where(moved, self.refusals, 0.0)
        named = films * ~out
        return [
            *(
                _course(f"share {number}", "answers", SHARE, day, named, 1.0 * (label == number))
                for number in range(len(self.shares))
            ),
            _course("mean confidence", "confidence", MEAN, day, named, sure),
            _course("mean distance", "distance", MEAN, day, films, far),
            _course("refused", "refusals", SHARE, day, films, 1.0 * out, True),
            _course("flag", "flags", SHARE, day, films, 1.0 * (far > 1.1), True),
        ]


def _course(
    name: str,
    family: str,
    kind: str,
    day: np.ndarray,
    films: np.ndarray,
    value: np.ndarray,
    only_up: bool = False,
) -> MeasureCourse:
    powers = [films * value**power for power in range(4)]
    sums = np.stack([np.bincount(day, weights) for weights in powers], axis=1)
    return MeasureCourse(name, family, kind, np.arange(len(sums)) + FIRST, sums, only_up)
