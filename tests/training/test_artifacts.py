"""What a training leaves: `weights.keras`, what it says of itself and who reads it; `films.png`."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from training_tasks import RECIPE, cached, drawn

from spark_cxr.backbones import keras_model, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.errors import WeightsError
from spark_cxr.images.prepare import scaled
from spark_cxr.training import artifacts
from spark_cxr.training.artifacts import contact_sheet
from spark_cxr.training.batches import checking_feed, training_feed
from spark_cxr.training.recipe import Augment
from tests.quick import wanted


@pytest.fixture
def written(task, body, tmp_path):
    file = tmp_path / "weights.keras"
    artifacts.write_weights(keras_model.load(str(body)), task, file)
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
    artifacts.write_weights(keras_model.load(str(body)), task, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == written.read_bytes()


def test_the_file_needs_no_normalising_from_its_user(written):
    row = own.find(str(written))
    assert (row.normalising, row.size_hw) == ("tf", (32, 32))


def test_a_network_that_learned_from_lungs_is_shown_lungs(task, body, tmp_path):
    file = tmp_path / "lungs.keras"
    seen = replace(task, backbone=replace(task.backbone, see="lungs"))
    artifacts.write_weights(keras_model.load(str(body)), seen, file)
    assert own.find_wanted(wanted(str(file))).see == "lungs"
    assert own.find_wanted(wanted("CXRNet", weights=str(file))).see == "lungs"
    assert own.find_wanted(wanted(str(file), see="film")).see == "film"


def test_what_saw_whole_films_is_read_by_older_versions(written):
    with zipfile.ZipFile(written) as archive:
        assert "see" not in json.loads(archive.read(own.PROVENANCE))
    assert own.find_wanted(wanted(str(written))).see == "film"


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


# The contact sheet.


def sheet_of(folder, count, augment):
    labels = [0, 1, 2] * count
    films, numbers, weights = cached(folder / "films", labels), np.array(labels), np.ones(3)
    seen = training_feed(films, numbers, weights, replace(RECIPE, augment=augment))
    told = contact_sheet(seen, checking_feed(films, numbers, weights, RECIPE))
    rows = next(iter(seen.batches(0))).rows
    return np.asarray(Image.open(io.BytesIO(told))), drawn(labels)[rows]


def film_at(sheet, row, column):
    top, left = 164 * row + (8 if row else 0) + 2, 164 * column + 2
    return sheet[top : top + 160, left : left + 160]


def test_originals_stand_above_what_the_network_sees(tmp_path):
    sheet, films = sheet_of(tmp_path, 20, Augment())
    assert sheet.shape == (7 * 164 + 8, 8 * 164)
    for column in range(8):
        np.testing.assert_array_equal(film_at(sheet, 0, column), scaled(films[column], 160))
        assert (film_at(sheet, 1, column) != scaled(films[column], 160)).any()


def test_films_that_are_not_augmented_are_their_originals(tmp_path):
    sheet, _ = sheet_of(tmp_path, 20, Augment().times(0))
    np.testing.assert_array_equal(film_at(sheet, 1, 3), film_at(sheet, 0, 3))


def test_few_films_make_a_small_sheet(tmp_path):
    sheet, _ = sheet_of(tmp_path, 4, Augment())
    assert sheet.shape == (3 * 164 + 8, 8 * 164)  # 12 films fill two batches of 8
