"""How a model's probabilities become answers: the record, its JSON, and what a film then gets."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones import catalog
from spark_cxr.errors import InputError
from spark_cxr.metrics.conformal import RULE_IN, RULE_OUT, UNSURE, ConformalSets
from spark_cxr.metrics.isotonic import Steps
from spark_cxr.metrics.recalibration import Recalibration
from spark_cxr.model import load_model
from spark_cxr.model.decision import NO_DECISION, Decision, is_sound
from spark_cxr.model.exchange import kinds, row
from spark_cxr.model.manifest import NAME, SEAL, _seal
from spark_cxr.records import read_record
from tests.model.decision_by_hand import decision, decision_of_findings, point
from tests.model.findings_by_hand import FINDINGS, THRESHOLDS, findings_model
from tests.model.model_by_hand import LABELS
from tests.serve.made_model import made_model

DIM = catalog.get("fake").dim
VECTORS = np.random.default_rng(5).standard_normal((30, DIM)) / 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "plain": made_model(root / "plain"),
        "decided": made_model(root / "decided", decision=decision()),
        "findings": findings_model(root / "findings"),
        "findings decided": findings_model(root / "fd", decision=decision_of_findings()),
    }


@pytest.fixture(scope="module")
def models(folders):
    return {name: load_model(folder) for name, folder in folders.items()}


def entries_of(folder):
    return json.loads(Path(folder, NAME).read_text(encoding="utf-8"))


@pytest.mark.parametrize("made", [decision(), decision_of_findings(), Decision(films=3)])
def test_json_gives_the_record_again(made):
    assert read_record(Decision, json.loads(json.dumps(asdict(made)))) == made


@pytest.mark.parametrize(
    ("made", "labels", "independent"),
    [(decision(), LABELS, False), (decision_of_findings(), tuple(FINDINGS), True)],
)
def test_labels_that_go_by_other_names_are_decided_on_alike(made, labels, independent):
    other = {label: f"{label} elsewhere" for label in labels}
    named = made.renamed(other)
    stated = np.random.default_rng(2).dirichlet(np.ones(len(labels)))[None]
    (shares,) = made.probabilities(stated, independent)
    (again,) = named.probabilities(stated, independent)
    verdicts = made.verdicts(shares, labels)
    assert named.verdicts(again, tuple(other.values())) == {
        other[label]: said for label, said in verdicts.items()
    }
    assert named.thresholds == {other[label]: at for label, at in made.thresholds.items()}
    assert named.renamed({new: label for label, new in other.items()}) == made


def test_a_model_without_one_is_written_as_before(folders, models):
    assert "decision" not in entries_of(folders["plain"])
    assert entries_of(folders["plain"])["format"] == 3
    assert entries_of(folders["findings"])["format"] == 4
    assert models["plain"].predictor.decision is NO_DECISION


@pytest.mark.parametrize("name", ["decided", "findings decided"])
def test_a_model_with_one_has_format_5_and_another_identity(folders, models, name):
    plain = "plain" if name == "decided" else "findings"
    assert entries_of(folders[name])["format"] == 5
    kept, without = models[name].manifest, models[plain].manifest
    assert kept.identity != without.identity
    assert replace(kept, decision=None).identity == without.identity


def test_temperature_softens_probabilities_and_leaves_the_answer(models):
    plain, decided = (models[name].predict_vectors(VECTORS) for name in ("plain", "decided"))
    assert [each.label for each in decided] == [each.label for each in plain]
    for one, other in zip(plain, decided, strict=True):
        stated = np.sqrt(np.array(list(one.probabilities.values())))
        assert list(other.probabilities.values()) == pytest.approx(stated / stated.sum())
        assert other.confidence == max(other.probabilities.values()) < one.confidence
        assert one.verdicts == {}
    shares = models["decided"].probabilities(VECTORS)
    said = [list(each.probabilities.values()) for each in decided]
    np.testing.assert_allclose(shares, said, atol=1e-12)


def test_a_class_is_ruled_in_where_it_alone_may_be(models):
    found = models["decided"].predict_vectors(VECTORS)
    words = set()
    for each in found:
        may = [name for name, share in each.probabilities.items() if 1 - share <= 0.7]
        for name, verdict in each.verdicts.items():
            expected = UNSURE if name in may or not may else RULE_OUT
            assert verdict == (RULE_IN if may == [name] else expected)
            words.add(verdict)
    assert words == {RULE_IN, RULE_OUT, UNSURE}


def test_a_finding_has_limits_of_presence_and_of_absence(models):
    found = models["findings decided"].predict_vectors(VECTORS)
    assert {each.verdicts["Hernia"] for each in found} <= {UNSURE, RULE_OUT}
    for each in found:
        for name, share in each.probabilities.items():
            has, lacks = 1 - share <= 0.8, name == "Hernia" or share <= 0.3
            words = {(True, False): RULE_IN, (False, True): RULE_OUT}
            assert each.verdicts[name] == words.get((has, lacks), UNSURE)


def test_isotonic_recalibration_may_name_another_class():
    flat = Steps((0.0, 1.0), (0.0, 0.1))
    curves = (flat, Steps((0.0, 1.0), (0.0, 1.0)), Steps((0.0, 1.0), (0.0, 1.0)))
    found = decision(recalibration=Recalibration("isotonic", steps=curves))
    shares = found.probabilities(np.array([[0.6, 0.3, 0.1]]), False)
    assert not found.keeps_order
    assert shares.argmax() == 1
    assert shares.sum() == pytest.approx(1)


def test_rows_for_mlflow_have_verdicts_only_where_there_are_sets(models):
    (found,) = models["decided"].predict_vectors(VECTORS[:1])
    assert list(kinds(LABELS, True)) == [*kinds(LABELS), *(f"verdict_{x}" for x in LABELS)]
    assert row(found, LABELS, True) == [*row(found, LABELS), *found.verdicts.values()]


CURVE = Steps((0.0, 0.5), (0.1, 0.9))
CURVES = (CURVE,) * 3
LIMITS, COUNTS = dict.fromkeys(LABELS, 0.5), dict.fromkeys(LABELS, 9)
HOSTILE = {
    "says nothing": Decision(films=3),
    "negative count": decision(films=-1),
    "another kind": decision(recalibration=Recalibration("magic", (1.0,))),
    "no heat": decision(recalibration=Recalibration("temperature", (0.0,))),
    "huge heat": decision(recalibration=Recalibration("temperature", (1e9,))),
    "two heats": decision(recalibration=Recalibration("temperature", (1.0, 1.0))),
    "a shift": decision(recalibration=Recalibration("temperature", (1.0,), shift=(0.1,))),
    "curves beside": decision(recalibration=Recalibration("temperature", (1.0,), CURVES)),
    "few curves": decision(recalibration=Recalibration("isotonic", steps=CURVES[:2])),
    "heat beside": decision(recalibration=Recalibration("isotonic", (1.0,), CURVES)),
    "empty curve": decision(
        recalibration=Recalibration("isotonic", steps=(*CURVES[:2], Steps((), ())))
    ),
    "falling curve": decision(
        recalibration=Recalibration("isotonic", steps=(*CURVES[:2], Steps((0.0, 1.0), (1.0, 0.0))))
    ),
    "curve that goes back": decision(
        recalibration=Recalibration("isotonic", steps=(*CURVES[:2], Steps((0.5, 0.5), (0.0, 1.0))))
    ),
    "curve beyond 1": decision(
        recalibration=Recalibration("isotonic", steps=(*CURVES[:2], Steps((0.0, 1.0), (0.0, 7.0))))
    ),
    "point of another label": decision(points=(point("Edema"),)),
    "label with two points": decision(points=(point("COVID-19"), point("COVID-19"))),
    "point beyond 1": decision(points=(point("COVID-19", 1.5),)),
    "another target": decision(points=(point("COVID-19", target="luck"),)),
    "all covered": decision(sets=ConformalSets(1.0, LIMITS, COUNTS)),
    "limits in another order": decision(
        sets=ConformalSets(0.9, dict(reversed(LIMITS.items())), COUNTS)
    ),
    "limit beyond 1": decision(sets=ConformalSets(0.9, {**LIMITS, "COVID-19": 2.0}, COUNTS)),
    "absence of classes": decision(sets=ConformalSets(0.9, LIMITS, COUNTS, LIMITS, COUNTS)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_training_leaves_is_refused(name):
    assert is_sound(decision(), LABELS, False)
    assert not is_sound(HOSTILE[name], LABELS, False)


def test_findings_take_a_shift_and_absence_and_classes_do_not():
    made = decision_of_findings()
    assert is_sound(made, FINDINGS, True)
    assert not is_sound(made, FINDINGS, False)
    assert not is_sound(decision(), LABELS, True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"decision": {"films": "x"}}, "a model.json with all its entries"),
        ({"decision": None}, "format 5 of a model with a decision, and of no other"),
        ({"format": 3}, "format 5 of a model with a decision, and of no other"),
        ({"labels": ["a", "b", "c"]}, "a decision for the labels of the model"),
    ],
)
def test_a_directory_whose_decision_contradicts_is_refused(tmp_path, changes, expected):
    folder = made_model(tmp_path / "m", decision=decision())
    entries = {**entries_of(folder), **changes}
    entries.pop(SEAL)
    text = json.dumps({**entries, SEAL: _seal(entries)})
    (tmp_path / "m" / NAME).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"Expected {expected}"):
        load_model(folder)


def test_points_of_findings_are_the_thresholds(tmp_path):
    off = decision_of_findings(points=(point("Mass", THRESHOLDS["Mass"] / 2),))
    with pytest.raises(InputError, match="the operating points of its decision"):
        load_model(findings_model(tmp_path / "m", decision=off))
