import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_by_hand import LABELS, manifest

import spark_cxr
from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import InputError
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import digests, read_manifest, write_manifest
from spark_cxr.phantoms import phantoms
from tests.quick import fake_plan

FILES = [
    "head.npz",
    "reference.npz",
    "head/metadata/part-00000",
    "head/stages/0_a/data/part-00000.parquet",
    "network",
]


@pytest.fixture(scope="module")
def drawn():
    return [phantom.data for phantom in phantoms(5, seed=1, size=64)]


def refusal(directory):
    with pytest.raises(InputError) as caught:
        spark_cxr.load_model(directory.address)
    return str(caught.value)


def test_prediction_is_what_the_head_says_of_the_networks_vector(directory, head, drawn):
    vectors = np.stack(featurize(drawn, fake_plan(4))).astype(float)
    margins = vectors @ head.weights.T + head.bias
    expected = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    told = spark_cxr.load_model(directory.address).predict(drawn)
    got = [[row.probabilities[label] for label in LABELS] for row in told]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_label_is_the_one_of_the_highest_probability(directory, drawn):
    for told in spark_cxr.load_model(directory.address).predict(drawn):
        assert told.confidence == max(told.probabilities.values())
        assert told.probabilities[told.label] == told.confidence


def test_one_image_gives_a_list_of_one(directory, drawn):
    model = spark_cxr.load_model(directory.address)
    (told,) = model.predict(drawn[0])
    assert told.label == model.predict(drawn)[0].label


def test_no_image_gives_no_prediction(directory):
    assert spark_cxr.load_model(directory.address).predict([]) == []


def test_a_bad_image_keeps_its_place_and_says_why(directory, drawn):
    told = spark_cxr.load_model(directory.address).predict([drawn[0], b"no film", drawn[1]])
    assert [row.bad.reason if row.bad else "" for row in told] == ["", "not_an_image", ""]
    assert (told[1].label, dict(told[1].probabilities)) == ("", {})


def test_limits_of_the_training_hold_for_predictions(directory):
    small = next(iter(phantoms(1, seed=1, size=64))).data
    told = spark_cxr.load_model(directory.address).predict(small)
    assert told[0].bad is None
    write_manifest(directory, manifest(digests(directory), limits=Limits(min_side=65)))
    assert spark_cxr.load_model(directory.address).predict(small)[0].bad.reason == "too_small"


def test_labels_are_those_of_the_training(directory):
    assert spark_cxr.load_model(directory.address).labels == LABELS


def test_vectors_of_another_network_are_refused(directory):
    model = spark_cxr.load_model(directory.address)
    with pytest.raises(InputError, match=r"features of fake. Received: an array of shape \(2, 3\)"):
        model.predict_vectors(np.zeros((2, 3)))


def test_manifest_comes_back_as_it_was_written(directory):
    assert read_manifest(directory) == manifest(digests(directory))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_and_named(directory, name):
    path = Path(directory.address, name)
    path.write_bytes(path.read_bytes() + b" ")
    assert f"{name}, changed since" in refusal(directory)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_and_named(directory, name):
    Path(directory.address, name).unlink()
    assert "a complete model directory" in refusal(directory)
    assert f"without {name}" in refusal(directory)


def test_a_file_that_nobody_spoke_of_is_refused(directory):
    directory.write_bytes("head/stages/0_a/data/part-00001.parquet", b"PAR1")
    assert "part-00001.parquet beside them" in refusal(directory)


def test_hidden_files_do_not_matter(directory):
    directory.write_bytes("head/metadata/.part-00000.crc", b"crc")
    assert spark_cxr.load_model(directory.address).labels == LABELS


def test_a_changed_manifest_is_refused(directory):
    path = Path(directory.address, "model.json")
    path.write_text(path.read_text().replace('"COVID-19"', '"Covid-19"'))
    assert "model.json, changed since" in refusal(directory)


def test_a_newer_format_is_refused_with_the_way_out(directory):
    path = Path(directory.address, "model.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 10}))
    assert refusal(directory) == (
        "Expected a model directory of format 3, 4 or 5. Received: format 10. Upgrade spark_cxr."
    )


def test_an_older_format_is_refused_with_the_way_out(directory):
    path = Path(directory.address, "model.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    assert refusal(directory).endswith("Received: format 1. Train again with this version.")


def test_features_of_another_preprocessing_are_refused(directory):
    write_manifest(directory, manifest(digests(directory), preprocessing=77))
    assert "Received: features of preprocessing 77." in refusal(directory)


def test_a_directory_without_a_manifest_is_refused(directory):
    Path(directory.address, "model.json").unlink()
    assert refusal(directory).endswith("Name the model/ of a training.")


def test_a_manifest_that_is_no_json_is_refused(directory):
    Path(directory.address, "model.json").write_text("{")
    assert "Expected a model directory." in refusal(directory)


def test_predicting_starts_neither_spark_nor_a_jvm(directory, drawn, tmp_path):
    (tmp_path / "film.png").write_bytes(drawn[0])
    code = (
        "import sys, pathlib, spark_cxr\n"
        f"model = spark_cxr.load_model({directory.address!r})\n"
        f"film = pathlib.Path({str(tmp_path / 'film.png')!r}).read_bytes()\n"
        "print(model.predict(film)[0].label)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('pyspark', 'py4j')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    label, modules = done.stdout.splitlines()
    assert (label in LABELS, modules) == (True, "[]")
