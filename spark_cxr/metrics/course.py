"""A measure of scored films day by day, and what is usual in it.

Films of one patient, of one weekday, of one busy week are more alike than drawn ones would be. How
much more weeks and days differ than unrelated films would by chance is estimated from the
reference, and every test allows for it (`Usual.dispersion`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics.sample import Floats, Ints

WEEK = 7
SHARE, MEAN = "share", "mean"
MOST_DAYS = 50
"""Degrees of freedom that days within weeks may add: more would drown what weeks say."""
WEEKS_ALONE = 0.75
"""Part of what weeks alone say that counts at least: few weeks say it with much noise."""
LEAST_SPREAD = 1e-9


@dataclass(frozen=True)
class MeasureCourse:
    """One measure, day by day."""

    name: str
    family: str
    """Measures of a family share its part of the false alarms."""
    kind: str
    """`SHARE`: each film has it or not; `MEAN`: each film has a number."""
    days: Ints
    """Days as ordinals of the calendar, ascending, each once."""
    sums: Floats
    """(days, 4): films, and over them the sum of what is measured, of its squares and its cubes."""
    only_up: bool = False
    """Less of it is no cause for an alarm."""

    def between(self, first: int, last: int) -> Floats:
        """Sum up the days from the first to the last, both included."""
        within = (self.days >= first) & (self.days <= last)
        total: Floats = self.sums[within].sum(axis=0)
        return total

    def windows(self, ends: Ints, width: int) -> Floats:
        """Sum up the `width` days before and with each of `ends`: (ends, 4)."""
        ladder = np.concatenate([np.zeros((1, 4)), np.cumsum(self.sums, axis=0)])
        upto = np.searchsorted(self.days, ends, side="right")
        before = np.searchsorted(self.days, ends - width, side="right")
        found: Floats = ladder[upto] - ladder[before]
        return found


@dataclass(frozen=True)
class Usual:
    """What a measure was in the reference, and how much it moved by itself."""

    films: float
    value: float
    spread: float
    """Standard deviation of a film."""
    skew: float
    dispersion: float
    """Times that weeks differ more, as variances, than those of unrelated films; at least 1."""
    freedom: float
    """Degrees of freedom behind it."""

    def error(self, films: Floats) -> Floats:
        """Give the standard error of so many films' value beside this one."""
        with np.errstate(divide="ignore"):
            variance = 1 / films + 1 / self.films
        found: Floats = self.spread * np.sqrt(self.dispersion * variance)
        return found


def usual_of(course: MeasureCourse, first: int, last: int) -> Usual | None:
    """Describe the reference from one day to another; None where it has no film."""
    films, one, two, three = course.between(first, last)
    if films <= 0:
        return None
    mean = one / films
    variance = max(two / films - mean * mean, LEAST_SPREAD**2)
    if course.kind == SHARE:  # half a film that has it and half one that has not: never 0 or all
        safe = (one + 0.5) / (films + 1)
        variance = safe * (1 - safe)
    third = three / films - 3 * mean * two / films + 2 * mean**3
    dispersion, freedom = _dispersion(course, first, last, mean, variance)
    spread = float(np.sqrt(variance))
    return Usual(
        films=float(films),
        value=float(mean),
        spread=spread,
        skew=float(third / spread**3),
        dispersion=dispersion,
        freedom=freedom,
    )


def _dispersion(
    course: MeasureCourse, first: int, last: int, mean: float, variance: float
) -> tuple[float, float]:
    """Hold the weeks against chance, and the days within them once weekdays are taken out."""
    within = (course.days >= first) & (course.days <= last) & (course.sums[:, 0] > 0)
    days, films, values = course.days[within], course.sums[within, 0], course.sums[within, 1]
    weeks = _averages((days - first) // WEEK, films, values)
    of_weeks = float((films * (weeks - mean) ** 2).sum()) / variance
    weekdays = _averages(days % WEEK, films, values)
    left = values / films - weeks - weekdays + mean
    of_days = float((films * left * left).sum()) / variance
    n_weeks = len(np.unique((days - first) // WEEK))
    n_days = len(days) - n_weeks - len(np.unique(days % WEEK)) + 1
    freedom = max(n_weeks - 1, 0)
    if n_days > 0:
        counted = min(n_days, MOST_DAYS)
        pooled = (of_weeks + of_days / n_days * counted) / (freedom + counted)
        alone = WEEKS_ALONE * of_weeks / max(freedom, 1)
        return max(1.0, pooled, alone), float(freedom + counted)
    return max(1.0, of_weeks / max(freedom, 1)), float(max(freedom, 1))


def _averages(groups: Ints, films: Floats, values: Floats) -> Floats:
    """Give each day the mean of its group."""
    _, place = np.unique(groups, return_inverse=True)
    found: Floats = (np.bincount(place, values) / np.bincount(place, films))[place]
    return found
