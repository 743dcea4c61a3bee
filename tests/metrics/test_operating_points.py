"""The threshold for a wished sensitivity or specificity: by hand, and against scikit-learn."""

import json

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.operating_points import OperatingPoint, operating_point
from spark_cxr.records import read_record

POSITIVE = [True, True, False, True, False, False]
SCORES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
GROUPS = list("pqrstu")


def drawn(n=400, seed=0, decimals=12, films=1):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    scores = (1 / (1 + np.exp(-rng.normal(2.0 * positive - 1, 1)))).round(decimals)
    return positive, scores, [f"p{i // films}" for i in range(n)]


def test_the_highest_threshold_that_reaches_the_sensitivity():
    found = operating_point(POSITIVE, SCORES, GROUPS, sensitivity=0.6, label="COVID")

    assert (found.label, found.target, found.wanted) == ("COVID", "sensitivity", 0.6)
    assert found.threshold == 0.8
    assert found.reached.value == pytest.approx(2 / 3)
    assert found.other.value == 1
    assert found.short == pytest.approx(1 / 3)
    assert (found.positives, found.groups) == (3, 6)


def test_the_lowest_threshold_that_keeps_the_specificity():
    found = operating_point(POSITIVE, SCORES, GROUPS, specificity=0.6)

    assert found.threshold == 0.6
    assert found.reached.value == pytest.approx(2 / 3)
    assert found.other.value == 1
    assert found.short == pytest.approx(1 / 3)


def test_films_that_share_a_score_are_answered_alike():
    scores = [0.9, 0.7, 0.7, 0.7, 0.2, 0.2]
    found = operating_point(POSITIVE, scores, GROUPS, sensitivity=0.5)

    assert found.threshold == 0.7
    assert found.reached.value == 1  # 0.5 cannot be had: it is 1/3 or all
    assert found.short == pytest.approx(1 / 3)
    assert found.is_reached


def test_never_yes_reaches_every_specificity():
    found = operating_point([True, False, False], [0.3, 0.9, 0.2], list("pqr"), specificity=1.0)

    assert found.threshold > 0.9
    assert (found.reached.value, found.other.value) == (1, 0)


def test_a_specificity_that_no_probability_keeps_is_said():
    found = operating_point([True, False, False], [0.3, 1.0, 0.2], list("pqr"), specificity=0.9)

    assert found.threshold == 1
    assert found.reached.value == pytest.approx(0.5)
    assert not found.is_reached
    assert found.short is None


@pytest.mark.parametrize("only", [True, False])
def test_films_of_one_kind_have_no_operating_point(only):
    assert operating_point([only] * 3, [0.1, 0.2, 0.3], list("pqr"), sensitivity=0.9) is None


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("decimals", [1, 12])
@pytest.mark.parametrize("target", ["sensitivity", "specificity"])
def test_it_is_the_choice_from_scikit_learns_curve(wanted, decimals, target):
    metrics = pytest.importorskip("sklearn.metrics")
    positive, scores, groups = drawn(decimals=decimals)
    across, up, thresholds = metrics.roc_curve(positive, scores, drop_intermediate=False)
    enough = up >= wanted - 1e-12 if target == "sensitivity" else 1 - across >= wanted - 1e-12
    place = np.flatnonzero(enough)[0 if target == "sensitivity" else -1]

    found = operating_point(positive, scores, groups, **{target: wanted}, resamples=100)

    rates = (up[place], 1 - across[place])
    assert found.threshold == pytest.approx(min(thresholds[place], found.threshold), abs=1e-9)
    assert (found.reached.value, found.other.value) == pytest.approx(
        rates if target == "sensitivity" else rates[::-1], abs=1e-9
    )


def test_the_intervals_allow_for_the_choice():
    """Of thresholds chosen on 400 patients, about 95 % keep the interval's promise on others."""
    wide, kept, others = drawn(200_000, seed=99), [], []
    for seed in range(60):
        found = operating_point(*drawn(seed=seed), sensitivity=0.9, resamples=300)
        yes = wide[1] >= found.threshold
        truth = yes[wide[0]].mean(), (~yes)[~wide[0]].mean()
        kept.append(found.reached.interval.low <= truth[0] <= found.reached.interval.high)
        others.append(found.other.interval.low <= truth[1] <= found.other.interval.high)

    assert sum(kept) >= 52
    assert sum(others) >= 52


def test_patients_with_many_films_make_the_intervals_wider():
    positive, scores, _ = drawn(400)
    many = [np.repeat(each, 5) for each in (positive, scores)]
    alone = operating_point(*many, [f"p{i}" for i in range(2000)], sensitivity=0.9, resamples=300)
    films = operating_point(
        *many, [f"p{i // 5}" for i in range(2000)], sensitivity=0.9, resamples=300
    )
    width = [each.other.interval.high - each.other.interval.low for each in (films, alone)]

    assert films.threshold == alone.threshold
    assert width[0] > 1.5 * width[1]


def test_draws_without_one_of_the_kinds_do_not_count():
    found = operating_point([True, False], [0.8, 0.2], list("pq"), sensitivity=0.9)

    assert found.reached.value == 1


def test_the_same_seed_gives_the_same_point():
    first, second = (operating_point(*drawn(), sensitivity=0.9, seed=3) for _ in range(2))

    assert first == second


def test_it_goes_through_json():
    found = operating_point(*drawn(), sensitivity=0.9, resamples=100)
    text = json.dumps(found.to_json(), allow_nan=False)

    assert read_record(OperatingPoint, json.loads(text)) == found


@pytest.mark.parametrize(
    "wanted",
    [{}, {"sensitivity": 0.0}, {"specificity": 1.1}, {"sensitivity": 0.9, "specificity": 0.9}],
)
def test_one_wish_between_0_and_1_is_expected(wanted):
    with pytest.raises(ConfigError, match="Either a sensitivity or a specificity"):
        operating_point(POSITIVE, SCORES, GROUPS, **wanted)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="for each of 6 films"):
        operating_point(POSITIVE, SCORES[:-1], GROUPS, sensitivity=0.9)
