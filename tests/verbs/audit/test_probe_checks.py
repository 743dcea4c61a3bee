"""What shortcuts, changes and probabilities are judged by: numbers in, statuses out, no Spark."""

import numpy as np
import pytest
from film_tables import SETTINGS

from spark_cxr.metrics import measure
from spark_cxr.verbs.audit.probe_checks import (
    CHANGES,
    SHORTCUTS,
    check_calibration,
    check_centre,
    check_change,
    check_shortcut,
    check_source,
)
from spark_cxr.verbs.audit.probes import ProbeResult, Steadiness

FILMS = 400


def reached(accuracy, films=FILMS, sure=1.0):
    """Measure a classifier of two equal classes that is right on this share of each."""
    truth = ["ill", "well"] * (films // 2)
    wrong = round(films * (1 - accuracy))
    shares = np.full((films, 2), 1 - sure)
    for i in range(films):
        shares[i, (i % 2) ^ (i < wrong)] = sure
    groups = [f"p{i}" for i in range(films)]
    return measure(truth, shares, ("ill", "well"), groups, resamples=200)


def predict_images(shortcut, real=0.92, name="border"):
    return check_shortcut(name, reached(shortcut), reached(real), SETTINGS)


# The way from 50 % to 92 % is 42 points: half of it ends at 71 %, nine tenths at 87.8 %.
@pytest.mark.parametrize(
    ("accuracy", "status"), [(0.5, "pass"), (0.69, "pass"), (0.74, "warn"), (0.89, "fail")]
)
def test_a_shortcut_is_judged_by_its_way_from_chance_to_the_real_result(accuracy, status):
    assert predict_images(accuracy).status == status


def test_a_warning_names_both_figures_and_what_follows():
    check = predict_images(0.88)
    assert "sees only the border" in check.sentence
    assert "reaches 88.0\u202f%, yours 92.0\u202f%" in check.sentence
    assert "another hospital" in check.sentence


def test_a_shortcut_within_the_interval_of_the_real_result_fails():
    small = {"films": 40}
    real, shortcut = reached(0.85, **small), reached(0.75, **small)
    assert real.intervals.accuracy.low <= 0.75
    assert check_shortcut("border", shortcut, real, SETTINGS).status == "fail"


def test_what_does_not_surely_beat_chance_is_no_shortcut():
    real, shortcut = reached(0.7, films=20), reached(0.6, films=20)
    assert check_shortcut("border", shortcut, reached(0.8, films=40), SETTINGS).status == "pass"
    assert check_shortcut("border", shortcut, real, SETTINGS).status != "fail"


@pytest.mark.parametrize("name", SHORTCUTS)
def test_no_shortcut_is_judged_where_the_real_result_is_chance(name):
    assert predict_images(0.5, real=0.5, name=name).status == "not_applicable"


def test_a_thumbnail_shows_lungs_and_is_a_warning_at_worst():
    assert predict_images(0.92, name="small").status == "warn"


@pytest.mark.parametrize(("accuracy", "status"), [(0.91, "pass"), (0.8, "warn"), (0.6, "fail")])
def test_the_centre_alone_should_do_as_well_as_the_film(accuracy, status):
    assert check_centre(reached(accuracy), reached(0.92), SETTINGS).status == status


@pytest.mark.parametrize(("accuracy", "status"), [(0.52, "pass"), (0.8, "warn"), (0.99, "fail")])
def test_a_source_that_can_be_told_is_judged_by_the_way_from_chance_to_all(accuracy, status):
    assert check_source(reached(accuracy), SETTINGS).status == status


def steady(**changed):
    shares = {view: changed.get(view, 0.0) for view in CHANGES}
    return Steadiness(100, tuple(shares.items()), tuple((view, 0.8) for view in CHANGES))


@pytest.mark.parametrize(("share", "status"), [(0.04, "pass"), (0.15, "warn"), (0.4, "fail")])
def test_predictions_that_change_are_judged_by_their_share(share, status):
    check = check_change("corners", steady(corners=share), reached(0.9), SETTINGS)
    assert (check.name, check.status) == ("stable_corners", status)


def test_a_negative_is_a_warning_at_worst():
    check = check_change("inverted", steady(inverted=0.9), reached(0.9), SETTINGS)
    assert check.status == "warn"


def calibrated(accuracy, sure, films=FILMS):
    return check_calibration(
        ProbeResult(reached(accuracy, films, sure), (sure,) * films), SETTINGS, seed=0
    )


@pytest.mark.parametrize(
    ("accuracy", "sure", "status"), [(0.9, 0.9, "pass"), (0.82, 0.9, "warn"), (0.7, 0.99, "fail")]
)
def test_probabilities_are_judged_by_how_far_they_are_from_what_happens(accuracy, sure, status):
    check = calibrated(accuracy, sure)
    assert dict(check.numbers)["ece"] == pytest.approx(abs(accuracy - sure))
    assert check.status == status


def test_what_chance_does_to_few_films_is_no_fault_of_probabilities():
    assert calibrated(0.8, 0.9, films=20).status == "pass"
    assert calibrated(0.8, 0.9, films=400).status == "warn"
