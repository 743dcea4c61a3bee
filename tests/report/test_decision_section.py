"""The section on how probabilities become answers, and the lines for the console."""

from dataclasses import replace

import numpy as np
import pytest

from spark_cxr.metrics import measure
from spark_cxr.metrics.decision_wording import decision_lines
from spark_cxr.pipeline.decision_trial import DecisionFilms, decision_figures
from spark_cxr.report.decisions import decision_section
from tests.model.decision_by_hand import decision, decision_of_findings
from tests.model.findings_by_hand import FINDINGS
from tests.model.model_by_hand import LABELS
from tests.quick import defaults

TRAIN = replace(defaults().train, resamples=100)


def drawn(films=200):
    draw = np.random.default_rng(2)
    stated = draw.dirichlet((0.4, 0.4, 0.4), films)
    truth = np.array([draw.choice(3, p=row) for row in stated], dtype=np.float64)
    return truth, stated, [f"p{n // 2}" for n in range(films)]


def figures_of(made, train=TRAIN):
    truth, stated, groups = drawn()
    answered = made.probabilities(stated, False)
    films = DecisionFilms(LABELS, truth, stated, answered, groups)
    return decision_figures(made, films, train, 0), films


@pytest.fixture(scope="module")
def found():
    return figures_of(decision())


def test_trust_is_measured_as_the_figures_of_a_training_are(found):
    figures, films = found
    names = [LABELS[int(place)] for place in films.truth]
    for trust, shares in ((figures.before, films.stated), (figures.after, films.answered)):
        whole = measure(names, shares, LABELS, films.groups, resamples=100)
        said = trust.log_loss, trust.brier, trust.ece
        assert said == pytest.approx((whole.log_loss, whole.brier, whole.ece), abs=1e-12)


def test_a_point_says_what_it_finds_and_what_that_is_worth(found):
    figures, films = found
    (point,) = figures.points
    has, yes = films.truth == 0, films.answered[:, 0] >= 0.4
    assert point.sensitivity.value == pytest.approx(yes[has].mean())
    assert point.specificity.value == pytest.approx(1 - yes[~has].mean())
    assert point.worth.ppv.value == pytest.approx(has[yes].mean())
    rare, _ = figures_of(decision(), replace(TRAIN, prevalence=0.01))
    assert rare.points[0].worth.prevalence == 0.01
    assert rare.points[0].worth.ppv.value < point.worth.ppv.value


def test_json_has_what_the_page_shows(found):
    said = found[0].to_json()
    assert (said["films"], said["patients"], said["temperature"]) == (120, 90, [2.0])
    assert sum(said["left"].values()) == 200
    assert said["covered"]["COVID-19"]["covered"]["value"] > 0.5
    assert said["points"]["COVID-19"]["learned"]["wanted"] == 0.95


def test_section_shows_recalibration_points_and_verdicts(found):
    page = decision_section(found[0])
    for words in ("Recalibration: temperature 2.000", "Operating points", "Verdicts at 90.0"):
        assert words in page
    assert page.count("<svg") == 2
    assert "reach a sensitivity of 95.0" in page
    assert "films with 1 left" in page
    assert decision_section(None) == ""


def test_without_recalibration_it_says_so_and_draws_nothing():
    figures, _ = figures_of(decision(recalibration=None))
    assert (figures.before, figures.after) == (None, None)
    page = decision_section(figures)
    assert "no recalibration" in page
    assert "<svg" not in page


def test_findings_are_measured_in_one_pool_and_one_by_one():
    truth, stated, groups = drawn()
    shares = np.column_stack([stated, stated[:, 0]])
    has = np.column_stack([truth == place for place in (0, 1, 2, 0)]).astype(float)
    has[::7, 1] = np.nan
    made = decision_of_findings()
    films = DecisionFilms(FINDINGS, has, shares, made.probabilities(shares, True), groups)
    figures = decision_figures(made, films, TRAIN, 0)
    assert figures.left == {}
    assert figures.too_few == ("Hernia",)
    assert [each.films + each.others for each in figures.covered] == [200, 171, 200, 200]
    assert "Too few patients for a limit of Hernia" in decision_section(figures)


def test_console_says_it_in_a_line_each(found):
    lines = list(decision_lines(found[0]))
    assert lines[0].startswith("probabilities recalibrated (temperature 2.000): calibration error")
    assert lines[1].startswith("COVID-19 from 40.0")
    assert lines[2].startswith("verdicts at 90.0")
    assert list(decision_lines(None)) == []


def test_films_of_another_place_are_not_said_to_be_stated_by_the_head():
    figures, _ = figures_of(decision(recalibration=None))
    page = decision_section(replace(figures, kind="temperature", temperature=(1.5,)))
    assert "recalibrated as in the training (temperature 1.500)" in page
    assert "no recalibration" not in page
