"""What a training learns of how to decide, from films that its head has not learned from."""

from dataclasses import replace

import numpy as np
import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.metrics.conformal import RULE_OUT
from spark_cxr.metrics.isotonic import UNCHANGED
from spark_cxr.pipeline.decisions import decides, learn_decision, undecided
from spark_cxr.pipeline.held_out import HeldOut
from spark_cxr.pipeline.point_settings import point_settings
from tests.quick import defaults

LABELS = ("COVID-19", "No_findings", "Pneumonia")
TRAIN = replace(
    defaults().train,
    recalibrate="auto",
    coverage=0.9,
    resamples=200,
    sensitivity=(),
    specificity=(),
)


def softmax(logs):
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(films=600, heat=1.0, seed=0):
    """Draw films whose probabilities are honest, and states them `1 / heat` times as sure."""
    draw = np.random.default_rng(seed)
    logs = 2 * draw.standard_normal((films, 3))
    truth = [draw.choice(3, p=row) for row in softmax(logs)]
    groups = tuple(f"p{n // 2:04}" for n in range(films))
    return HeldOut(np.array(truth, dtype=np.float64), softmax(logs / heat), groups)


def test_sure_mistakes_are_softened_and_honest_probabilities_left_alone():
    honest = learn_decision(drawn(), LABELS, TRAIN, 0).decision
    assert honest.recalibration is None
    sure = learn_decision(drawn(heat=1 / 3), LABELS, TRAIN, 0).decision
    assert sure.recalibration.kind == "temperature"
    assert sure.recalibration.temperature[0] == pytest.approx(3, rel=0.2)
    assert (sure.films, sure.patients) == (600, 300)


def test_sets_keep_the_class_of_new_films():
    found = learn_decision(drawn(heat=1 / 3), LABELS, TRAIN, 0).decision
    new = drawn(4000, heat=1 / 3, seed=1)
    shares = found.probabilities(new.probabilities, False)
    verdicts = found.sets.verdicts(shares)
    for place in range(3):
        has = new.truth == place
        assert (verdicts[has, place] != RULE_OUT).mean() > 0.87


def test_points_reach_what_is_wanted_on_new_films():
    train = replace(TRAIN, sensitivity=("0.9", "COVID-19=0.95"), specificity=("Pneumonia=0.9",))
    found = learn_decision(drawn(heat=1 / 3), LABELS, train, 0).decision
    assert [(p.label, p.target, p.wanted) for p in found.points] == [
        ("COVID-19", "sensitivity", 0.95),
        ("No_findings", "sensitivity", 0.9),
        ("Pneumonia", "specificity", 0.9),
    ]
    new = drawn(4000, heat=1 / 3, seed=1)
    shares = found.probabilities(new.probabilities, False)
    covid = shares[new.truth == 0, 0] >= found.thresholds["COVID-19"]
    assert covid.mean() == pytest.approx(0.95, abs=0.05)


def test_findings_are_learned_one_by_one_over_what_is_known():
    films = drawn(heat=1 / 3)
    truth = np.stack([films.truth == 0, films.truth == 1], axis=1).astype(float)
    truth[::5, 1] = np.nan
    some = HeldOut(truth, films.probabilities[:, :2], films.groups)
    train = replace(TRAIN, sensitivity=("Mass=0.9",))
    found = learn_decision(some, ("Effusion", "Mass"), train, 0).decision
    assert len(found.recalibration.temperature) == 2
    assert tuple(found.sets.absent) == ("Effusion", "Mass")
    assert list(found.thresholds) == ["Mass"]
    assert found.points[0].positives == np.nansum(truth[:, 1])


def test_limits_are_not_chosen_on_the_curves_own_films():
    """A curve follows its own films: limits from these would keep less than they promise."""
    train, kept = replace(TRAIN, recalibrate="isotonic"), []
    for seed in range(8):
        films = drawn(240, heat=1 / 3, seed=seed)
        found = learn_decision(films, LABELS, train, seed).decision
        new = drawn(1500, heat=1 / 3, seed=100 + seed)
        verdicts = found.sets.verdicts(found.probabilities(new.probabilities, False))
        own = verdicts[np.arange(1500), new.truth.astype(int)]
        kept.append((own != RULE_OUT).mean())
    assert np.mean(kept) > 0.9


def test_findings_that_need_no_curve_keep_their_probabilities():
    films = drawn(heat=1 / 3)
    truth = np.stack([films.truth == 0, films.truth == 1], axis=1).astype(float)
    truth[:-4, 1] = np.nan  # too few patients for a curve of their own
    some = HeldOut(truth, films.probabilities[:, :2], films.groups)
    train = replace(TRAIN, recalibrate="isotonic", coverage=0.0, sensitivity=("Mass=0.5",))
    found = learn_decision(some, ("Effusion", "Mass"), train, 0).decision
    assert found.recalibration.steps[1] == UNCHANGED
    assert found.thresholds.get("Mass", 0.0) in {0.0, *some.probabilities[-4:, 1].tolist()}


def test_too_few_patients_are_said():
    few = drawn().part(np.arange(600) < 8)
    train = replace(TRAIN, recalibrate="temperature", sensitivity=("0.9",))
    step = learn_decision(few, LABELS, train, 0)
    assert step.decision.recalibration is None
    assert step.decision.sets is None
    assert "Probabilities are not recalibrated: there are too few patients." in step.notes
    assert "Nothing is ruled in or out: there are too few patients of each label." in step.notes
    assert undecided("x").notes[0].endswith("neither operating points nor sets: x.")


def test_what_is_wanted_of_nothing_costs_nothing():
    nothing = replace(TRAIN, recalibrate="none", coverage=0.0)
    assert not decides(nothing)
    assert not decides(replace(nothing, sensitivity=("0",)))
    assert decides(replace(nothing, specificity=("A=0.9",)))


def test_a_label_that_is_named_alone_has_a_point_of_its_own():
    words = point_settings(replace(TRAIN, sensitivity=("A=0.95", "0"), specificity=("0.9",)))
    assert words.of(("A", "B")) == {"A": ("sensitivity", 0.95), "B": ("specificity", 0.9)}
    assert words.of(("A",)) == {"A": ("sensitivity", 0.95)}
    with pytest.raises(ConfigError, match=r"a label for an operating point. Received: A. Known"):
        words.of(("B", "C"))


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "expected"),
    [
        (("much",), (), "train.sensitivity as shares up to 1, like 0.95 or COVID=0.95"),
        ((), ("A=1.5",), "train.specificity as shares up to 1"),
        (("0.9",), ("0.9",), "one operating point of all labels"),
        (("A=0.9", "A=0.8"), (), "one operating point of A"),
        (("nan",), (), "train.sensitivity as shares up to 1"),
    ],
)
def test_points_that_nobody_can_choose_are_refused(sensitivity, specificity, expected):
    with pytest.raises(ConfigError, match=f"Expected {expected}"):
        point_settings(replace(TRAIN, sensitivity=sensitivity, specificity=specificity))
