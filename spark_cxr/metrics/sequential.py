"""Has a measure moved? Tests that may be asked every week, with few false alarms in a whole year.

Each look spends a small part of the false alarms that a year may have, divided among the looks of a
year, families of measures, the measures of a family, and two windows: the last 7 days and the last
14 (Bonferroni: valid however measures and windows hang together). At such small levels the shape of
a tail matters: shares are tested by the signed root of their likelihood ratio with a correction for
whole films, means with a correction for their skewness, and the estimated dispersion turns both
into Student's t.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from spark_cxr.metrics.course import SHARE, WEEK, MeasureCourse, Usual
from spark_cxr.metrics.sample import Floats, Ints

WINDOWS = {WEEK: 0.25, 2 * WEEK: 0.75}
"""Days that are looked at together, and their parts of the false alarms: what one week shows
clearly is found anyway; the second week needs the rest."""
WEIGHTS = {"answers": 6.0}
"""Of families: the shares of classes are those that move least before they matter. Others: 1."""
LEAST_FILMS = 20
YEAR = {"week": 52, "day": 365}
"""Looks in a year."""
POWER = 0.95


@dataclass(frozen=True)
class Look:
    """A measure at the end of a day, over the days before it."""

    day: int
    width: int
    films: float
    value: float
    z: float
    """How far from usual, in standard errors of a normal distribution."""


@dataclass(frozen=True)
class Watched:
    """A measure with all looks at it."""

    course: MeasureCourse
    usual: Usual
    level: float
    """Its part of the false alarms at each look."""
    looks: tuple[Look, ...]
    alarms: tuple[Look, ...]

    def limit(self, width: int) -> float:
        """Give the standard errors from which a window of so many days is an alarm."""
        return limit_of(self.level * WINDOWS[width], self.course.only_up)

    def band(self, films: float) -> float:
        """Give how far so many films of one week may lie from usual without an alarm."""
        error = float(self.usual.error(np.array([films]))[0])
        return as_t(self.limit(WEEK), self.usual.freedom) * error

    def findable(self, films: float) -> float:
        """Give the change that two weeks of so many films each show with a chance of 95 %."""
        error = float(self.usual.error(np.array([2 * films]))[0])
        far = as_t(self.limit(2 * WEEK), self.usual.freedom) + NormalDist().inv_cdf(POWER)
        return far * error


def levels(courses: Sequence[MeasureCourse], by: str, false_alarms: float) -> list[float]:
    """Divide a look's false alarms among measures."""
    members = Counter(course.family for course in courses)
    whole = sum(WEIGHTS.get(family, 1.0) for family in members)
    return [
        false_alarms / YEAR[by] * WEIGHTS.get(c.family, 1.0) / whole / members[c.family]
        for c in courses
    ]


def watch_course(course: MeasureCourse, usual: Usual, level: float, ends: Ints) -> Watched:
    """Look at a measure at the end of each of some days."""
    looks, alarms = list[Look](), list[Look]()
    for width, part in WINDOWS.items():
        sums = course.windows(ends, width)
        far = departures(course.kind, sums, usual)
        limit = limit_of(level * part, course.only_up)
        for day, (films, total, *_), z in zip(ends.tolist(), sums.tolist(), far, strict=True):
            if films < LEAST_FILMS:
                continue
            look = Look(day, width, films, total / films, float(z))
            looks.append(look)
            if (z if course.only_up else abs(z)) > limit:
                alarms.append(look)
    return Watched(course, usual, level, tuple(looks), tuple(alarms))


def limit_of(level: float, only_up: bool) -> float:
    """Give the normal quantile that belongs to a level."""
    return NormalDist().inv_cdf(1 - level / (1 if only_up else 2))


def departures(kind: str, sums: Floats, usual: Usual) -> Floats:
    """Measure how far windows (windows, 4) lie from usual, as normal quantiles."""
    films, total = sums[:, 0], sums[:, 1]
    root = _of_shares(films, total, usual) if kind == SHARE else _of_means(films, total, usual)
    return as_normal(root / np.sqrt(usual.dispersion), usual.freedom)


def _of_shares(films: Floats, total: Floats, usual: Usual) -> Floats:
    """Give the signed root of the likelihood ratio of two shares, half a film nearer together."""
    before = usual.films * usual.value
    pooled = (total + before) / (films + usual.films)
    away = total - films * pooled
    step = np.sign(away) * np.minimum(np.abs(away), 0.5)
    both = ((total - step, films), (before + step, np.full_like(films, usual.films)))
    ratio = sum(
        _deviance(count, n, pooled) + _deviance(n - count, n, 1 - pooled) for count, n in both
    )
    found: Floats = np.sign(away) * np.sqrt(np.maximum(2 * ratio, 0))
    return found


def _deviance(count: Floats, n: Floats, share: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(count > 0, count * np.log(count / (n * share)), 0.0)
    return found


def _of_means(films: Floats, total: Floats, usual: Usual) -> Floats:
    """Give the difference of two means in standard errors, less what skewness adds to its tail."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = 1 / films + 1 / usual.films, 1 / films**2 - 1 / usual.films**2
        z = np.nan_to_num((total / films - usual.value) / (usual.spread * np.sqrt(one)))
        skew = np.nan_to_num(usual.skew * two / one**1.5)
    most = 3 / np.maximum(np.abs(skew), 1e-9)  # where the correction would turn back
    bounded = np.clip(z, -most, most)
    nearer = bounded - skew * (bounded**2 - 1) / 6
    found: Floats = np.where(z * skew > 0, np.sign(z) * np.minimum(np.abs(z), np.abs(nearer)), z)
    return found


def as_normal(t: Floats, freedom: float) -> Floats:
    """Give the normal quantile with the tail of Student's t (Wallace 1959)."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    found: Floats = np.sign(t) * scale * np.sqrt(freedom * np.log1p(t * t / freedom))
    return found


def as_t(z: float, freedom: float) -> float:
    """Do the reverse."""
    scale = (8 * freedom + 3) / (8 * freedom + 1)
    return float(np.sqrt(freedom * np.expm1((z * scale) ** 2 / freedom)))
