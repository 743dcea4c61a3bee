"""Two classifiers on the same films: by hand, against scipy-free sums, and over seeds."""

import json
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

from spark_cxr.errors import InputError
from spark_cxr.metrics import area_under_roc, compare_paired, mcnemar, measure


def stated(named, labels="ab"):
    """Give probabilities that name these labels."""
    return [
        [0.9 if each == label else 0.1 / (len(labels) - 1) for label in labels] for each in named
    ]


TRUTH = "aaaabbbb"
FIRST = "aaabbbbb"
SECOND = "abbabbab"
GROUPS = ["p", "p", "q", "q", "r", "r", "s", "t"]


@pytest.fixture(scope="module")
def paired():
    return compare_paired(TRUTH, stated(FIRST), stated(SECOND), "ab", GROUPS)


def test_the_difference_in_accuracy_by_hand(paired):
    assert paired.accuracy.value == pytest.approx(7 / 8 - 5 / 8)


def test_the_difference_in_macro_f1_is_that_of_the_two_measured_alone(paired):
    first, second = (measure(TRUTH, stated(x), "ab", GROUPS).f1_macro for x in (FIRST, SECOND))

    assert paired.f1_macro.value == pytest.approx(first - second)


def test_films_that_only_one_named_rightly_are_counted(paired):
    assert (paired.only_first, paired.only_second) == (3, 1)
    assert (paired.n, paired.groups) == (8, 5)


def test_the_interval_and_the_share_ahead_are_those_of_all_draws():
    truth, groups = "aabb", ["p", "p", "q", "r"]
    first, second = "aaba", "abba"  # p: one film ahead; q, r alike: every draw can be listed
    gained, films = {"p": 1, "q": 0, "r": 0}, {"p": 2, "q": 1, "r": 1}
    every = [
        sum(map(gained.get, draw)) / sum(map(films.get, draw)) for draw in product("pqr", repeat=3)
    ]
    found = compare_paired(truth, stated(first), stated(second), "ab", groups, resamples=20000)

    assert found.accuracy.ahead == pytest.approx(np.mean(np.array(every) > 0), abs=0.01)
    assert found.accuracy.interval.low == 0
    assert found.accuracy.interval.high == pytest.approx(0.5)


def test_the_other_way_round_turns_the_sign(paired):
    turned = compare_paired(TRUTH, stated(SECOND), stated(FIRST), "ab", GROUPS)

    assert turned.accuracy.value == -paired.accuracy.value
    assert turned.accuracy.interval.low == pytest.approx(-paired.accuracy.interval.high)
    assert (turned.only_first, turned.only_second) == (1, 3)
    assert turned.mcnemar_p == paired.mcnemar_p


def test_a_classifier_against_itself_shows_nothing():
    found = compare_paired(TRUTH, stated(FIRST), stated(FIRST), "ab", GROUPS)

    assert found.accuracy.value == found.accuracy.ahead == 0
    assert found.accuracy.interval is None
    assert found.mcnemar_p == 1


def test_pairing_makes_the_interval_narrower_than_two_apart():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    hard = rng.random(400) < 0.25  # the same films are hard for both
    first = np.where(hard ^ (rng.random(400) < 0.02), 1 - truth, truth)
    second = np.where(hard ^ (rng.random(400) < 0.04), 1 - truth, truth)
    named = [["ab"[i] for i in each] for each in (truth, first, second)]
    groups = [f"p{i}" for i in range(400)]
    paired = compare_paired(named[0], stated(named[1]), stated(named[2]), "ab", groups)
    alone = measure(named[0], stated(named[1]), "ab", groups).intervals.accuracy
    between = paired.accuracy.interval

    assert between.high - between.low < 0.75 * (alone.high - alone.low)


def test_two_equal_coins_are_told_apart_about_once_in_twenty():
    rng, told = np.random.default_rng(5), 0
    truth, groups = ["a"] * 150 + ["b"] * 150, [f"p{i}" for i in range(300)]
    for _ in range(200):
        wrong = rng.random((2, 300)) < 0.2
        first, second = (
            stated([t if not w else "ab"[t == "a"] for t, w in zip(truth, each, strict=True)])
            for each in wrong
        )
        interval = compare_paired(truth, first, second, "ab", groups, resamples=300).accuracy
        told += not interval.interval.low <= 0 <= interval.interval.high

    assert 2 <= told <= 22


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [(0, 0, 1), (1, 0, 1), (5, 0, 2 / 32), (3, 1, 10 / 16), (4, 4, 1), (10, 2, 158 / 4096)],
)
def test_mcnemar_by_hand(only_first, only_second, expected):
    assert mcnemar(only_first, only_second) == pytest.approx(expected)


@pytest.mark.parametrize(("only_first", "only_second"), [(7, 19), (60, 41), (700, 812)])
def test_mcnemar_is_twice_the_tail_of_a_fair_binomial(only_first, only_second):
    n = only_first + only_second
    tail = sum(comb(n, i) for i in range(min(only_first, only_second) + 1))

    assert mcnemar(only_first, only_second) == float(Fraction(2 * tail, 2**n))


def test_mcnemar_equals_scipys_binomial_test():
    stats = pytest.importorskip("scipy.stats")

    assert mcnemar(31, 52) == pytest.approx(stats.binomtest(31, 83).pvalue)


def test_it_becomes_json(paired):
    found = paired.to_json()

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["accuracy"]["interval"]["low"] == paired.accuracy.interval.low


def test_too_few_resamples_are_refused():
    with pytest.raises(InputError, match="At least 100 resamples"):
        compare_paired(TRUTH, stated(FIRST), stated(SECOND), "ab", GROUPS, resamples=5)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"Probabilities \(8, 2\)"):
        compare_paired(TRUTH, stated(FIRST), stated(SECOND)[:-1], "ab", GROUPS)


# AUC


def drawn_pair(n=300, seed=0, sharper=1.5):
    """Draw two classifiers of three classes with errors of their own; the first is the sharper."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    both = []
    for strength in (sharper, 1.0):
        margins = rng.normal(0, 1, (n, 3))
        margins[np.arange(n), truth] += strength
        powers = np.exp(margins)
        both.append(powers / powers.sum(axis=1, keepdims=True))
    return ["abc"[i] for i in truth], *both, [f"p{i // 2}" for i in range(n)]


def test_the_difference_in_auc_is_that_of_the_two_measured_alone():
    truth, first, second, groups = drawn_pair()
    found = compare_paired(truth, first, second, "abc", groups)
    alone = [measure(truth, each, "abc", groups) for each in (first, second)]

    assert found.auc_macro.value == pytest.approx(alone[0].auc_macro - alone[1].auc_macro)
    for place, each in enumerate(found.auc):
        assert each.value == pytest.approx(alone[0].auc[place] - alone[1].auc[place])
    assert found.auc_macro.interval.low <= found.auc_macro.value <= found.auc_macro.interval.high
    assert found.auc_macro.ahead > 0.9


def test_the_interval_of_the_auc_is_that_of_draws_one_by_one():
    truth, first, second, groups = drawn_pair(60)
    found = compare_paired(truth, first, second, "abc", groups, resamples=2000)
    rng, drawn, named = np.random.default_rng(1), [], np.array(truth)
    for _ in range(150):
        rows = [
            2 * pick + film for pick in rng.integers(0, 30, 30) for film in (0, 1)
        ]  # two films a patient
        areas = [
            np.mean([area_under_roc(named[rows] == x, each[rows, i]) for i, x in enumerate("abc")])
            for each in (first, second)
        ]
        drawn.append(areas[0] - areas[1])

    assert (found.auc_macro.interval.low, found.auc_macro.interval.high) == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.03
    )


def test_two_equal_classifiers_differ_in_auc_about_once_in_twenty():
    apart = 0
    for seed in range(60):
        truth, first, second, groups = drawn_pair(seed=seed, sharper=1.0)
        between = compare_paired(truth, first, second, "abc", groups, resamples=200).auc_macro
        apart += not between.interval.low <= 0 <= between.interval.high

    assert apart <= 9


def test_a_label_that_is_absent_has_no_difference_in_auc():
    found = compare_paired(TRUTH, stated(FIRST, "abc"), stated(SECOND, "abc"), "abc", GROUPS)

    assert found.auc[2] is None
    assert found.auc_macro.value == pytest.approx((found.auc[0].value + found.auc[1].value) / 2)
