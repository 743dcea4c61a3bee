"""Probabilities that keep their word, on answers drawn with a known truth."""

import json

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.metrics.calibration import honest_ece, reliability
from spark_cxr.metrics.isotonic import UNCHANGED, Steps
from spark_cxr.metrics.recalibration import Recalibration, recalibrate
from spark_cxr.metrics.scaling import best_line, best_temperature, log_odds
from spark_cxr.records import read_record

LABELS = ("Normal", "COVID", "Pneumonia")
FINDINGS = ("Effusion", "Mass")


def softmax(margins):
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn_classes(n, boast, seed):
    """Draw films whose true chances a head overstates: margins times `boast`."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 1.5, (n, 3))
    chances = softmax(margins)
    truth = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=2)
    return truth, softmax(boast * margins), [f"p{i // 2}" for i in range(n)]


def drawn_findings(n, boast, shift, seed):
    """Draw two findings; the head overstates the first one only, and 10 % are unknown."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.5, (n, 2))
    truth = (rng.random((n, 2)) < 1 / (1 + np.exp(-odds))).astype(float)
    odds[:, 0] = boast * odds[:, 0] + shift
    truth[rng.random((n, 2)) < 0.1] = np.nan
    return truth, 1 / (1 + np.exp(-odds)), [f"p{i}" for i in range(n)]


def is_off(truth, stated):
    confidence = stated.max(axis=1)
    return reliability(confidence, stated.argmax(axis=1) == truth).ece > honest_ece(confidence)


# What it does


def test_a_temperature_of_one_changes_nothing():
    stated = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])

    assert Recalibration("temperature", (1.0,)).apply(stated) == pytest.approx(stated, abs=1e-12)


def test_a_temperature_of_two_takes_the_root_of_each_and_renormalises():
    found = Recalibration("temperature", (2.0,)).apply([[0.64, 0.36]])

    assert found == pytest.approx(np.array([[0.8, 0.6]]) / 1.4)


def test_findings_keep_to_themselves():
    found = Recalibration("temperature", (1.0, 2.0), shift=(0.0, 0.0)).apply(
        [[0.9, 0.9]], independent=True
    )

    assert found == pytest.approx(np.array([[0.9, 0.75]]))


def test_a_shift_moves_the_log_odds():
    found = Recalibration("temperature", (1.0,), shift=(float(np.log(3)),)).apply(
        [[0.5]], independent=True
    )

    assert found == pytest.approx(np.array([[0.75]]))


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
@pytest.mark.parametrize("independent", [True, False])
def test_certain_probabilities_stay_probabilities(kind, independent):
    given = (
        Recalibration(kind, (3.0,) * (2 if independent else 1), shift=(800.0, -800.0))
        if kind == "temperature"
        else Recalibration(kind, steps=(UNCHANGED, UNCHANGED))
    )
    found = given.apply([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]], independent)

    assert ((found >= 0) & (found <= 1)).all()


def test_rows_that_no_curve_grants_anything_stay_as_they_are():
    nothing = Steps((0.0, 1.0), (0.0, 0.0))
    stated = [[0.25, 0.75]]

    assert Recalibration("isotonic", steps=(nothing, nothing)).apply(stated).tolist() == stated


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_it_goes_through_json(kind):
    found = recalibrate(
        *drawn_classes(600, 3, 0)[:2], LABELS, drawn_classes(600, 3, 0)[2], kind=kind
    )
    text = json.dumps(found.to_json(), allow_nan=False)

    assert read_record(Recalibration, json.loads(text)) == found


# What it learns


def test_the_temperature_is_the_one_with_the_least_loss():
    optimize = pytest.importorskip("scipy.optimize")
    truth, stated, _ = drawn_classes(500, 2.5, 3)
    logs = np.log(stated)

    def loss(temperature):
        return -np.log(softmax(logs / temperature)[np.arange(500), truth]).mean()

    theirs = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x

    found = best_temperature(logs, truth)
    assert found == pytest.approx(theirs, rel=1e-4)
    assert found == pytest.approx(2.5, rel=0.25)


def test_the_line_is_platts():
    optimize = pytest.importorskip("scipy.optimize")
    truth, stated, _ = drawn_findings(400, 3, 1, 5)
    known = ~np.isnan(truth[:, 0])
    odds, has = log_odds(stated[known, 0]), truth[known, 0] == 1
    goal = np.where(has, (has.sum() + 1) / (has.sum() + 2), 1 / ((~has).sum() + 2))

    def loss(line):
        at = line[0] * odds + line[1]
        return (np.logaddexp(0, at) - goal * at).sum()

    slope, shift = optimize.minimize(loss, [1.0, 0.0], method="BFGS", tol=1e-10).x
    temperature, found = best_line(odds, has)

    assert (1 / temperature, found) == pytest.approx((slope, shift), rel=1e-4)


def test_a_finding_that_is_the_wrong_way_round_stays_as_it_is():
    odds = np.linspace(-3, 3, 100)

    assert best_line(odds, odds < 0) == (1.0, 0.0)


def test_findings_that_are_told_apart_without_a_mistake_have_a_line():
    odds = np.linspace(-3, 3, 100)
    temperature, shift = best_line(odds, odds > 0)

    assert 0.05 <= temperature < 1
    assert np.isfinite(shift)


@pytest.mark.parametrize("kind", ["auto", "temperature", "isotonic"])
@pytest.mark.parametrize("seed", range(3))
def test_an_over_confident_head_is_honest_afterwards(kind, seed):
    learned, tested = drawn_classes(3000, 3, seed), drawn_classes(1500, 3, seed + 100)
    found = recalibrate(learned[0], learned[1], LABELS, learned[2], kind=kind)

    assert is_off(tested[0], tested[1])
    assert not is_off(tested[0], found.apply(tested[1]))


def test_an_honest_head_is_left_alone():
    alone = []
    for seed in range(10):
        truth, stated, groups = drawn_classes(800, 1, seed)
        alone.append(recalibrate(truth, stated, LABELS, groups, resamples=200) is None)

    assert sum(alone) >= 9


def test_a_loss_that_temperature_cannot_take_back_is_left_to_isotonic():
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.5, 1, 4000)
    right = rng.random(4000) < np.where(stated < 0.75, 0.95, 0.55)  # the surer, the worse
    both = np.stack([stated, 1 - stated], axis=1)
    groups = [f"p{i}" for i in range(4000)]

    found = recalibrate((~right).astype(int), both, ("a", "b"), groups)

    assert found.kind == "isotonic"


def test_only_the_finding_that_needs_it_is_recalibrated():
    truth, stated, groups = drawn_findings(2000, 2.5, 1.0, 1)
    found = recalibrate(truth, stated, FINDINGS, groups)

    assert found.kind == "temperature"
    assert found.temperature[0] == pytest.approx(2.5, rel=0.2)
    assert (found.temperature[1], found.shift[1]) == (1.0, 0.0)
    new_truth, new, _ = drawn_findings(2000, 2.5, 1.0, 2)
    known = ~np.isnan(new_truth[:, 0])
    before, after = (each[known, 0] for each in (new, found.apply(new, independent=True)))
    has = new_truth[known, 0] == 1
    assert reliability(before, has).ece > honest_ece(before)
    assert reliability(after, has).ece < honest_ece(after)


def test_a_finding_with_few_patients_stays_as_it_is():
    truth, stated, groups = drawn_findings(600, 3, 2, 1)
    truth[np.flatnonzero(truth[:, 0] == 1)[10:], 0] = np.nan
    found = recalibrate(truth, stated, FINDINGS, groups, kind="temperature")

    assert (found.temperature[0], found.shift[0]) == (1.0, 0.0)
    assert found.temperature[1] != 1.0


@pytest.mark.parametrize("kind", ["auto", "temperature", "isotonic"])
def test_a_handful_of_patients_teaches_nothing(kind):
    truth, stated, _ = drawn_classes(300, 3, 0)

    assert recalibrate(truth, stated, LABELS, [f"p{i % 19}" for i in range(300)], kind=kind) is None


def test_the_same_seed_gives_the_same_recalibration():
    truth, stated, groups = drawn_classes(600, 2, 4)

    first, second = (recalibrate(truth, stated, LABELS, groups, seed=7) for _ in range(2))
    assert first == second


def test_another_kind_is_refused():
    with pytest.raises(ConfigError, match="auto, temperature, isotonic"):
        recalibrate([0], [[0.5, 0.5]], ("a", "b"), ["p"], kind="beta")


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"Probabilities \(2, 2\)"):
        recalibrate([0, 1], [[0.5, 0.5]], ("a", "b"), ["p", "q"])
