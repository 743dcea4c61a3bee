"""Sums over what was scored, held against the training."""

from dataclasses import dataclass

import pytest
from model_by_hand import LABELS, reference

from spark_cxr.config import defaults
from spark_cxr.model.drift import Tally, measure_drift, to_json, warnings_of

LIMITS = defaults().drift


@dataclass(frozen=True)
class Film:
    prediction: str | None
    confidence: float | None = 0.8
    training_distance: float = 0.5
    flags: tuple[str, ...] = ()


def measured(films):
    tally = Tally()
    tally.add(films)
    return measure_drift(tally, reference(), LIMITS)


def moved(films):
    return [each.name for each in measured(films) if each.has_moved]


def evenly(count, **changes):
    return [Film(LABELS[i % 3], **changes) for i in range(count)]


def test_films_like_those_of_the_training_have_not_moved():
    assert moved(evenly(300)) == []


@pytest.mark.parametrize(
    ("films", "name"),
    [
        (evenly(300, confidence=0.6), "mean confidence"),
        (evenly(300, confidence=0.99), "mean confidence"),
        (evenly(300, training_distance=0.8), "mean distance"),
        (evenly(300, flags=("not_like_training",)), "share unlike"),
    ],
)
def test_what_has_moved_is_named(films, name):
    assert moved(films) == [name]


def test_a_class_that_is_seen_too_often_is_named_with_those_seen_too_rarely():
    assert moved([Film("Pneumonia")] * 300) == [f"share {label}" for label in LABELS]


def test_films_nearer_to_the_training_are_no_cause_for_a_warning():
    assert moved(evenly(300, training_distance=0.1)) == []


def test_films_without_a_class_count_for_distance_and_for_nothing_else():
    refused = [Film(None, None, flags=("not_like_training", "not_an_xray"))] * 300
    assert moved(evenly(300) + refused) == ["share unlike"]
    found = {each.name: each.found for each in measured(evenly(300) + refused)}
    assert (found["mean confidence"], found["share Pneumonia"]) == pytest.approx((0.8, 1 / 3))
    assert {each.name for each in measured(refused)} == {"mean distance", "share unlike"}


def test_few_films_may_differ_by_chance():
    assert moved([Film("Pneumonia")] * 3) == []


def test_allowed_is_the_setting_and_three_standard_errors():
    first = measured(evenly(900))[0]
    assert first.allowed == pytest.approx(LIMITS.warn_share + 3 * (1 / 3 * 2 / 3 / 900) ** 0.5)


def test_no_film_says_nothing():
    assert measured([]) == ()


def test_measures_and_warnings_are_told_with_their_numbers():
    measures = measured(evenly(300, confidence=0.6))
    assert to_json(measures)["mean confidence"]["moved"] is True
    (warning,) = warnings_of(measures)
    assert warning.startswith("drift: mean confidence is 0.600, 0.800 at training")


# Findings


def of_findings(films, **shares):
    tally = Tally(is_of_findings=True)
    tally.add(films)
    return tally, measure_drift(tally, reference(shares=shares), LIMITS)


def test_a_film_counts_for_each_of_its_findings():
    films = [Film("Mass|Effusion")] * 100 + [Film("Mass")] * 100 + [Film("No Finding")] * 200
    tally, measures = of_findings(films, Effusion=0.25, Mass=0.5, Hernia=0.0)
    assert dict(tally.labels) == {"Mass": 200, "Effusion": 100, "No Finding": 200}
    found = {each.name: each.found for each in measures if each.name.startswith("share ")}
    expected = {"share Effusion": 0.25, "share Mass": 0.5, "share Hernia": 0.0}
    assert {name: found[name] for name in expected} == expected
    assert [each.name for each in measures if each.has_moved] == []


def test_one_finding_that_comes_too_often_is_named_alone():
    films = [Film("Mass|Effusion")] * 300 + [Film("Mass")] * 100
    _, measures = of_findings(films, Effusion=0.25, Mass=1.0)
    assert [each.name for each in measures if each.has_moved] == ["share Effusion"]


def test_a_class_with_the_sign_of_findings_in_its_name_is_one_class():
    tally = Tally()
    tally.add([Film("Mass|Effusion")])
    assert dict(tally.labels) == {"Mass|Effusion": 1}
