"""Tests that are asked every week: tails, false alarms in a year, planted shifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from spark_cxr.metrics.course import MEAN, SHARE, WEEK, MeasureCourse, Usual, usual_of
from spark_cxr.metrics.sequential import (
    WINDOWS,
    YEAR,
    Watched,
    as_normal,
    as_t,
    departures,
    levels,
    watch_course,
)
from spark_cxr.metrics.watch_results import spells_of
from tests.metrics.drawn_courses import FIRST, DrawnCourse

REFERENCE = 12
FALSE_ALARMS = 0.05


def watched(drawn: DrawnCourse, rng: np.random.Generator) -> list[Watched]:
    courses, last = drawn.courses(rng), FIRST + REFERENCE * WEEK - 1
    ends = np.arange(last + WEEK, FIRST + drawn.weeks * WEEK, WEEK)
    found = []
    for course, level in zip(courses, levels(courses, "week", FALSE_ALARMS), strict=True):
        usual = usual_of(course, FIRST, last)
        assert usual is not None
        found.append(watch_course(course, usual, level, ends))
    return found


def courses_with_alarms(drawn: DrawnCourse, draws: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    return sum(any(each.alarms for each in watched(drawn, rng)) for _ in range(draws))


def found_within_two_weeks(drawn: DrawnCourse, measure: str, draws: int, seed: int) -> float:
    """Plant a shift in week 20, and look at the two weeks after it began."""
    rng = np.random.default_rng(seed)
    drawn, planted = replace(drawn, shift_from=20, weeks=22), FIRST + 20 * WEEK
    hits = 0
    for _ in range(draws):
        alarms = next(w.alarms for w in watched(drawn, rng) if w.course.name == measure)
        hits += any(look.day >= planted for look in alarms)
    return hits / draws


# The tails


@pytest.mark.parametrize("freedom", [11, 40, 61])
@pytest.mark.parametrize("level", [1e-2, 1e-4, 1e-6])
def test_students_t_becomes_the_normal_quantile_of_its_tail(freedom: float, level: float) -> None:
    t = stats.t.isf(level, freedom)
    z = float(as_normal(np.array([t]), freedom)[0])
    assert stats.norm.sf(z) == pytest.approx(level, rel=0.15)
    assert as_t(z, freedom) == pytest.approx(t, rel=1e-9)


@pytest.mark.parametrize(("share", "n"), [(0.02, 300), (0.1, 300), (0.5, 300), (0.01, 600)])
def test_tail_of_a_share_is_near_the_exact_one(share: float, n: int) -> None:
    """Held against the binomial where the reference is as good as known."""
    usual = Usual(1e9, share, (share * (1 - share)) ** 0.5, 0.0, 1.0, 1e9)
    counts = np.arange(int(share * n) + 1, n)
    exact = stats.binom.sf(counts - 1, n, share)
    counts, exact = (each[(exact > 1e-6) & (exact < 1e-2)] for each in (counts, exact))
    sums = np.stack([np.full(len(counts), float(n)), counts, counts, counts], axis=1)
    found = stats.norm.sf(departures(SHARE, sums, usual))
    assert np.all((found > 0.8 * exact) & (found < 1.7 * exact))


def test_skewness_makes_no_alarms_of_a_long_tail() -> None:
    """Without the correction sums of such numbers pass the limit thrice as often as they may."""
    rng = np.random.default_rng(0)
    drawn = rng.gamma(25, 1.0, 400_000)  # the mean of 25 exponential numbers, times 25
    usual = Usual(1e9, 1.0, 1.0, 2.0, 1.0, 1e9)
    sums = np.stack([np.full(len(drawn), 25.0), drawn, drawn, drawn], axis=1)
    z = departures(MEAN, sums, usual)
    limit = stats.norm.isf(1e-3)
    assert np.mean((drawn - 25) / 5 > limit) > 2.5e-3
    assert np.mean(z > limit) < 1.3e-3


def test_a_year_spends_no_more_than_its_false_alarms() -> None:
    courses = DrawnCourse(weeks=2).courses(np.random.default_rng(0))
    spent = sum(levels(courses, "week", 0.05)) * YEAR["week"]
    assert spent == pytest.approx(0.05)
    assert sum(WINDOWS.values()) == 1


# Years


def test_years_without_a_shift_are_quiet() -> None:
    assert courses_with_alarms(DrawnCourse(weeks=64), 40, seed=3) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [0.1, 0.3])
def test_of_200_years_without_a_shift_at_most_10_have_an_alarm(repeats: float) -> None:
    assert courses_with_alarms(DrawnCourse(weeks=64, repeats=repeats), 200, seed=1) <= 10


PLANTED = {
    "share 2": {"share": 0.1, "shares": (0.65, 0.25, 0.05, 0.05)},
    "mean confidence": {"confidence": -0.05},
    "mean distance": {"distance": 0.5},
    "refused": {"refusals": 0.05, "refused": 0.01},
}


@pytest.mark.parametrize("measure", PLANTED)
def test_a_planted_shift_is_found_within_two_weeks(measure: str) -> None:
    drawn = DrawnCourse(**PLANTED[measure])  # type: ignore[arg-type]
    assert found_within_two_weeks(drawn, measure, 20, seed=4) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("measure", PLANTED)
def test_a_planted_shift_is_found_within_two_weeks_95_times_of_100(measure: str) -> None:
    drawn = DrawnCourse(**PLANTED[measure])  # type: ignore[arg-type]
    assert found_within_two_weeks(drawn, measure, 200, seed=2) >= 0.95


# What is usual


def course_of(values: np.ndarray, films: float = 100.0, kind: str = SHARE) -> MeasureCourse:
    sums = np.stack([np.full(len(values), films), *[films * values] * 3], axis=1)
    return MeasureCourse("a", "a", kind, FIRST + np.arange(len(values)), sums)


def test_weeks_that_differ_more_than_chance_have_a_dispersion_above_1() -> None:
    weeks = np.repeat([0.1, 0.3] * 6, WEEK)
    usual = usual_of(course_of(weeks), FIRST, FIRST + len(weeks) - 1)
    assert usual is not None
    assert usual.dispersion > 5


def test_weekdays_that_differ_are_no_dispersion() -> None:
    weekdays = np.tile([0.3, 0.3, 0.3, 0.3, 0.3, 0.1, 0.1], 12)
    usual = usual_of(course_of(weekdays), FIRST, FIRST + len(weekdays) - 1)
    assert usual is not None
    assert usual.dispersion == 1


def test_a_reference_without_films_says_nothing() -> None:
    assert usual_of(course_of(np.zeros(7), films=0.0), FIRST, FIRST + 6) is None


# Alarms as people count them


def test_an_alarm_that_goes_on_is_one() -> None:
    values = np.r_[np.full(84, 0.1), np.full(14, 0.4), np.full(35, 0.1), np.full(7, 0.4)]
    course, last = course_of(values), FIRST + 83
    usual = usual_of(course, FIRST, last)
    assert usual is not None
    ends = np.arange(last + WEEK, FIRST + len(values), WEEK)
    found = spells_of(watch_course(course, usual, 1e-4, ends), ends.tolist())
    assert [(each.looks, each.is_now) for each in found] == [(3, False), (1, True)]


def test_less_is_no_alarm_where_only_more_is_one() -> None:
    values = np.r_[np.full(84, 0.4), np.full(14, 0.1)]
    course, last = replace(course_of(values), only_up=True), FIRST + 83
    usual = usual_of(course, FIRST, last)
    assert usual is not None
    assert not watch_course(course, usual, 1e-4, np.array([FIRST + 90, FIRST + 97])).alarms


def test_few_films_are_not_looked_at() -> None:
    course = course_of(np.r_[np.full(84, 0.1), np.full(7, 0.9)], films=2.0)
    usual = usual_of(course, FIRST, FIRST + 83)
    assert usual is not None
    found = watch_course(course, usual, 1e-4, np.array([FIRST + 90]))
    assert [look.width for look in found.looks] == [14]
