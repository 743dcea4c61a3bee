"""`weights.keras` of a training: what it says of itself, and who reads it."""

import json
import zipfile

import numpy as np
import pytest

from spark_cxr.backbones import keras_model, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.errors import WeightsError
from spark_cxr.training import tuned


@pytest.fixture
def written(task, body, tmp_path):
    file = tmp_path / "weights.keras"
    tuned.write(keras_model.load(str(body)), task, file)
    return file


def test_the_file_is_opened_by_keras_with_the_same_weights(written, body):
    pairs = zip(
        keras_model.load(str(written)).get_weights(),
        keras_model.load(str(body)).get_weights(),
        strict=True,
    )
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_the_file_says_where_it_comes_from(written, task):
    told = own.read_provenance(written)
    assert told is not None
    assert (told.backbone, told.normalising, told.seed) == ("tiny", "tf", 7)
    assert (told.data, told.labels) == ("drawn stripes, CC0", ("one", "two", "three"))
    assert told.started_from_sha256 == task.weights.sha256


def test_the_same_network_gives_the_same_bytes(written, task, body, tmp_path):
    tuned.write(keras_model.load(str(body)), task, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == written.read_bytes()


def test_the_file_needs_no_normalising_from_its_user(written):
    row = own.find(str(written))
    assert (row.normalising, row.size_hw) == ("tf", (32, 32))


def test_weights_for_a_named_network_keep_their_licence(written, task):
    named = own.find(str(written))
    told = weights.resolve(str(written), weights_row(named))
    assert (told.kind, told.licence) == ("file", task.weights.licence)


def weights_row(row):
    """Give a row as the catalog has them: its network does not lie in a file."""
    from dataclasses import replace

    return replace(row, file="", name="Tiny")


def test_weights_fit_into_a_network_of_the_same_layers(written, body):
    model = keras_model.load(str(body))
    keras_model.draw_weights(model, 99)
    row = own.find(str(written))
    given = weights.resolve(str(written), weights_row(row))
    keras_model.load_weights(model, row, given)
    for one, other in zip(
        model.get_weights(), keras_model.load(str(written)).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_file_that_was_not_trained_here_says_nothing(body, tmp_path):
    assert own.read_provenance(body) is None
    (tmp_path / "no.keras").write_bytes(b"no zip")
    assert own.read_provenance(tmp_path / "no.keras") is None


def test_a_file_of_another_version_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr(own.PROVENANCE, json.dumps({"labels": [], "colour": "grey"}))
    with pytest.raises(WeightsError, match=r"Expected a network with spark_cxr\.json"):
        own.read_provenance(tmp_path / "new.keras")
