"""A test set in parts, and the learning curve."""

import json

import numpy as np
import pytest

from spark_cxr.errors import InputError
from spark_cxr.metrics import LearningPoint, learning_curve, measure, measure_parts
from spark_cxr.metrics.measure import LEAST

LABELS = ("a", "b")


def film_sets():
    """Make 100 films: 50 of source big, 30 of one label only, 15 of few, 5 of none."""
    rng = np.random.default_rng(2)
    truth = [*"ab" * 25, *"a" * 30, *"ab" * 7, "a", *"ab" * 2, "a"]
    share = np.clip(rng.normal([0.7 if t == "a" else 0.3 for t in truth], 0.2), 0.01, 0.99)
    parts = ["big"] * 50 + ["one label"] * 30 + ["few"] * 15 + [None] * 5
    return (
        truth,
        np.column_stack([share, 1 - share]),
        LABELS,
        [f"p{i // 2}" for i in range(100)],
        parts,
    )


@pytest.fixture(scope="module")
def parts():
    return {part.name: part for part in measure_parts(*film_sets())}


def test_the_largest_part_comes_first_and_films_without_one_stay_out():
    assert [(part.name, part.n) for part in measure_parts(*film_sets())] == [
        ("big", 50),
        ("one label", 30),
        ("few", 15),
    ]


def test_a_part_is_measured_as_if_it_were_alone(parts):
    truth, shares, labels, groups, _ = film_sets()
    alone = measure(truth[:50], shares[:50], labels, groups[:50])
    big = parts["big"]

    assert (big.accuracy, big.accuracy_interval) == (alone.accuracy, alone.intervals.accuracy)
    assert (big.auc_macro, big.auc_interval) == (alone.auc_macro, alone.intervals.auc_macro)
    assert (big.groups, big.labels) == (25, LABELS)


def test_accuracy_of_a_part_by_hand(parts):
    truth, shares, *_ = film_sets()
    right = [
        (share[0] >= 0.5) == (label == "a") for label, share in zip(truth, shares, strict=True)
    ]

    assert parts["one label"].accuracy == pytest.approx(sum(right[50:80]) / 30)


def test_a_part_of_one_label_has_no_auc(parts):
    assert parts["one label"].labels == ("a",)
    assert parts["one label"].auc_macro is None
    assert parts["one label"].auc_interval is None


def test_too_few_films_get_no_figure(parts):
    few = parts["few"]

    assert few.n < LEAST
    assert few.is_too_small
    assert few.accuracy is few.accuracy_interval is few.auc_macro is None


def test_parts_become_json(parts):
    found = [part.to_json() for part in parts.values()]

    assert json.loads(json.dumps(found, allow_nan=False))
    assert [each["too_few"] for each in found] == [False, False, True]


def test_a_part_for_each_film_is_asked_for():
    truth, shares, labels, groups, parts = film_sets()

    with pytest.raises(InputError, match="for each of 100 images"):
        measure_parts(truth, shares, labels, groups, parts[:-1])


def test_a_learning_curve_runs_from_few_to_many():
    truth, shares, labels, groups, _ = film_sets()
    good = measure(truth, shares, labels, groups)
    poor = measure(truth, np.fliplr(shares), labels, groups)
    curve = learning_curve([(400, good), (100, poor)])

    assert curve == (
        LearningPoint(100, poor.accuracy, poor.intervals.accuracy),
        LearningPoint(400, good.accuracy, good.intervals.accuracy),
    )
    assert curve[1].to_json()["interval"]["low"] == good.intervals.accuracy.low
