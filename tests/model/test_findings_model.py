"""A model of findings without Spark: its file, what it says of a film, why."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spark_cxr
from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import ConfigError, InputError, SparkCxrError
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.model.findings import (
    certainty,
    findings_in,
    joined,
    leading,
    log_odds,
    positives,
)
from spark_cxr.model.manifest import SEAL, _seal, digests, read_manifest, write_manifest
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from tests.model.findings_by_hand import (
    DIM,
    FINDINGS,
    THRESHOLDS,
    findings_model,
    linear_heads,
    mixed_heads,
)
from tests.model.model_by_hand import manifest
from tests.quick import fake_plan

WRITTEN = "1debfe923ccba9c1ebd2a906e899cb1d3e387c6488781f85332d50b967f66caa"
"""SHA-256 of a model.json of format 3."""


@pytest.fixture(scope="module")
def films():
    return [drawn.data for drawn in phantoms(6, seed=4, size=96, formats=("png",))]


@pytest.fixture(scope="module", params=["linear", "mixed"])
def model(request, tmp_path_factory):
    head = {"linear": linear_heads, "mixed": mixed_heads}[request.param]()
    return spark_cxr.load_model(findings_model(tmp_path_factory.mktemp(request.param) / "m", head))


@pytest.fixture(scope="module")
def linear_model(tmp_path_factory):
    return spark_cxr.load_model(findings_model(tmp_path_factory.mktemp("linear") / "model"))


# The words


@pytest.mark.parametrize(
    ("findings", "text"), [((), "No Finding"), (("A",), "A"), (("B", "A"), "B|A")]
)
def test_findings_stand_in_one_text_and_come_back(findings, text):
    assert joined(findings) == text
    assert findings_in(text) == findings


def test_a_finding_on_its_operating_point_is_there():
    shares = {"A": 0.3, "B": 0.29999, "C": 0.9}
    assert positives(shares, {"A": 0.3, "B": 0.3, "C": 0.95}) == ("A",)


def test_a_rare_finding_leads_where_it_is_further_above_its_operating_point():
    shares, points = {"frequent": 0.7, "rare": 0.3}, {"frequent": 0.5, "rare": 0.02}
    assert leading(shares, points) == "rare"
    assert certainty(shares, points) == pytest.approx(log_odds(0.3) - log_odds(0.02))


def test_where_none_is_above_its_operating_point_the_most_probable_leads():
    shares, points = {"frequent": 0.4, "rare": 0.019}, {"frequent": 0.5, "rare": 0.02}
    assert leading(shares, points) == "frequent"
    assert certainty(shares, points) == pytest.approx(log_odds(0.02) - log_odds(0.019))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_is_measured_all_the_same(share):
    assert np.isfinite(certainty({"A": share}, {"A": 0.5}))


# The directory


def test_a_manifest_of_findings_is_of_format_4_and_comes_back(tmp_path):
    place = Output(findings_model(tmp_path / "m"))
    found = read_manifest(place)
    expected = manifest(digests(place), labels=FINDINGS, thresholds=THRESHOLDS)
    assert found == replace(expected, format=4)
    assert found.is_of_findings


def test_a_model_of_one_finding_is_a_model(tmp_path, films):
    head = linear_heads(1)
    place = findings_model(tmp_path / "m", head, thresholds={"Pneumonia": 0.4})
    (told,) = spark_cxr.load_model(place).predict(films[0])
    assert told.label in ("Pneumonia", "No Finding")
    assert list(told.probabilities) == ["Pneumonia"]


def test_another_operating_point_is_another_model(tmp_path):
    one = read_manifest(Output(findings_model(tmp_path / "a")))
    moved = {**THRESHOLDS, "Mass": 0.21}
    other = read_manifest(Output(findings_model(tmp_path / "b", thresholds=moved)))
    turned = dict(reversed(list(THRESHOLDS.items())))
    same = read_manifest(Output(findings_model(tmp_path / "c", thresholds=turned, labels=FINDINGS)))
    assert one.identity != other.identity
    assert one.identity == same.identity


def test_a_model_of_classes_is_written_as_ever(tmp_path):
    """Both are as the version before findings made them."""
    place = Output(str(tmp_path / "m"))
    known = manifest({"head.npz": "0" * 64, "reference.npz": "1" * 64})
    write_manifest(place, known)
    data = Path(place.address, "model.json").read_bytes()
    assert hashlib.sha256(data).hexdigest() == WRITTEN
    assert known.identity == "lr-0123-52e86dca07"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"thresholds": {"Effusion": 0.3}}, "an operating point from 0 to 1 for each finding"),
        ({"thresholds": {**THRESHOLDS, "Edema": 0.1}}, "an operating point from 0 to 1"),
        ({"thresholds": {**THRESHOLDS, "Mass": 1.1}}, "an operating point from 0 to 1"),
        ({"thresholds": {**THRESHOLDS, "Mass": -0.1}}, "an operating point from 0 to 1"),
        ({"thresholds": {**THRESHOLDS, "Mass": "0.1"}}, "a model.json with all its entries"),
        ({"thresholds": {}}, "format 4 of a model of findings, and of no other"),
        ({"format": 3}, "format 4 of a model of findings, and of no other"),
        ({"format": 5}, "format 4 of a model of findings, and of no other"),
        ({"format": 6}, "a model directory of format 3, 4 or 5"),
        (
            {"labels": ["A|B"], "thresholds": {"A|B": 0.5}},
            r"findings that can stand in one text with \| between them",
        ),
        (
            {"labels": ["No Finding"], "thresholds": {"No Finding": 0.5}},
            r"findings that can stand in one text",
        ),
        ({"labels": ["A"], "thresholds": {"A": 0.5}}, "a head of 128 features and 1 classes"),
    ],
)
def test_a_manifest_of_findings_that_contradicts_is_refused(tmp_path, changes, expected):
    place = findings_model(tmp_path / "m")
    path = Path(place, "model.json")
    entries = {**json.loads(path.read_text()), **changes}
    del entries[SEAL]
    path.write_text(json.dumps({**entries, SEAL: _seal(entries)}))
    with pytest.raises(InputError, match=f"Expected {expected}"):
        spark_cxr.load_model(place)


def test_a_head_of_classes_is_none_of_findings(tmp_path):
    draw = np.random.default_rng(0)
    head = Linear(draw.standard_normal((4, DIM)), np.zeros(4), "softmax")
    with pytest.raises(InputError, match=r"a head of findings\. Received: one of the other kind"):
        spark_cxr.load_model(findings_model(tmp_path / "m", head))


def test_a_head_of_findings_is_none_of_classes(tmp_path):
    with pytest.raises(InputError, match="a head of classes"):
        spark_cxr.load_model(findings_model(tmp_path / "m", thresholds={}, labels=FINDINGS))


# What is said of a film


def test_each_finding_has_a_probability_of_its_own(model, films):
    told = model.predict(films)
    vectors = np.stack(featurize(films, fake_plan(4))).astype(float)
    expected = [head.probabilities(vectors)[:, 1] for head in model.predictor.head.heads]
    found = [list(one.probabilities.values()) for one in told]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-6)
    for one in told:
        assert tuple(one.probabilities) == FINDINGS
        assert one.confidence == max(one.probabilities.values())
    sums = [sum(one.probabilities.values()) for one in told]
    assert max(abs(each - 1) for each in sums) > 0.05


def test_label_is_the_findings_at_or_above_their_operating_points(model, films):
    labels = set()
    for told in model.predict(films):
        above = [name for name in FINDINGS if told.probabilities[name] >= THRESHOLDS[name]]
        assert told.label == ("|".join(above) or "No Finding")
        labels.add(told.label)
    assert len(labels) > 1


def test_a_film_without_findings_says_so(linear_model):
    high = replace(linear_model.predictor, thresholds=dict.fromkeys(FINDINGS, 1.0))
    told = high.predict(np.zeros(DIM))
    assert told.label == "No Finding"
    assert told.confidence == max(told.probabilities.values())


# Why


def test_mean_of_a_findings_map_and_its_intercept_are_its_log_odds(linear_model, films):
    for film in films:
        told = linear_model.explain_labels(film, exact=True)
        assert [each.label for each in told] == list(FINDINGS)
        for each, head in zip(told, linear_model.predictor.head.heads, strict=True):
            assert each.method == "cam"
            assert each.map.mean() + head.bias[1] - head.bias[0] == pytest.approx(
                each.margin, abs=1e-4
            )
            assert each.margin == pytest.approx(log_odds(each.probability), abs=1e-9)


def test_an_exact_map_of_another_margin_is_found_out(linear_model, films, monkeypatch):
    from spark_cxr.model import attribution

    monkeypatch.setattr(attribution, "_intercepts", lambda head: np.full(4, 0.25))
    with pytest.raises(SparkCxrError, match="maps whose means are the margins"):
        linear_model.explain(films[0], exact=True)


def test_a_finding_is_held_against_its_absence(model, films):
    for each in model.explain_labels(films[0]):
        assert each.contrast == f"no {each.label}"
        assert each.contrast_probability == pytest.approx(1 - each.probability)
        assert each.threshold == THRESHOLDS[each.label]
        side = "below" if each.probability < each.threshold else "above"
        words = f"{each.label} {each.probability:.1%}, {side} its operating point of "
        assert each.words().lines[0] == f"{words}{each.threshold:.1%}"


def test_the_leading_finding_is_explained_where_none_is_named(linear_model, films):
    for film in films:
        (told,) = linear_model.predict(film)
        assert linear_model.explain(film).label == leading(told.probabilities, THRESHOLDS)
    assert linear_model.explain(films[0], label="Hernia").label == "Hernia"


def test_trees_among_findings_are_explained_by_hiding_parts(tmp_path, films):
    mixed = spark_cxr.load_model(findings_model(tmp_path / "m", mixed_heads()))
    assert mixed.explain(films[0]).method == "occlusion"
    for method in ("cam", "gradcam"):
        with pytest.raises(ConfigError, match="trees, which no gradient goes through"):
            mixed.explain(films[0], method=method)


def test_networks_among_findings_are_explained_by_gradients(tmp_path, films):
    heads = mixed_heads().heads
    network = FindingHeads((heads[0], heads[2], heads[3], heads[2]))
    found = spark_cxr.load_model(findings_model(tmp_path / "m", network))
    assert found.explain(films[0]).method == "gradcam"
    with pytest.raises(ConfigError, match="no weighted sums"):
        found.explain(films[0], method="cam")


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "occlusion", "rise"])
def test_each_method_gives_each_finding_a_map_of_its_own(linear_model, films, method):
    told = linear_model.explain_labels(films[0], method=method)
    assert {each.method for each in told} == {method}
    assert all(np.isfinite(each.map).all() and each.map.any() for each in told)
    assert not np.allclose(told[0].map, told[1].map)


def test_grad_cam_of_a_finding_is_its_exact_map_up_to_scale(linear_model, films):
    exact, gradient = (
        linear_model.explain_labels(films[0], method=method) for method in ("cam", "gradcam")
    )
    for one, other in zip(exact, gradient, strict=True):
        np.testing.assert_allclose(other.map * one.map.size, one.map, rtol=1e-3, atol=1e-4)


def test_a_photo_is_explained_for_a_named_finding_only(linear_model):
    photo = np.zeros((96, 96, 3), np.uint8)
    photo[..., 0] = 220
    with pytest.raises(InputError, match="Name a label"):
        linear_model.explain(photo)
    found = linear_model.explain(photo, label="Mass")
    assert (found.probability, found.contrast_probability) == (None, None)
    assert "the model names no class here" in found.words().lines[0]
