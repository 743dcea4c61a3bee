"""The network in the package: what its file is, and that it runs like any other."""

from __future__ import annotations

import gc
import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.cxrnet import embed
from benchmarks.cxrnet.grey import to_grey
from benchmarks.cxrnet.start import TEXTURE, begin
from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import build, compose
from spark_cxr.backbones.network import prepare
from spark_cxr.backbones.user_network import PROVENANCE, Provenance, find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import ConfigError
from spark_cxr.images.decode import decode
from spark_cxr.images.prepare import grey, to_network
from spark_cxr.phantoms import phantoms
from tests.archived import told_from_archive

ROW = catalog.get("CXRNet")
RNG = np.random.default_rng(6)


def features(weights: str, engine: str, films: NDArray[np.uint8]) -> NDArray[np.float32]:
    network = prepare(ROW, resolve(weights, ROW), engine, say=lambda _: None)
    return load(Plan(network, 1, "f32", "cpu", 4)).features(films)


def drawn(count: int) -> NDArray[np.uint8]:
    films = (decode(each.data).pixels for each in phantoms(count, 3, 96, ("png",), 0))
    return np.stack([to_network(film, ROW.size_hw) for film in films])


def test_file_is_the_network_of_its_row() -> None:
    model = build(ROW, resolve("embedded", ROW))
    assert model.input_shape == (None, *ROW.size_hw, 1)
    assert model.get_layer(ROW.spatial_layer).output is model.output
    assert model.output_shape[1:] == ROW.spatial_shape
    assert model.count_params() <= 3_000_000
    assert Path(resolve("", ROW).path).stat().st_size <= 8_000_000


def test_one_film_alone_has_the_vector_of_one_in_a_step() -> None:
    network = prepare(ROW, resolve("", ROW), "openvino", say=lambda _: None)
    asked = Plan(network, 1, "f32", "cpu", 4)
    quick, films = load(replace(asked, single=True)), drawn(4)
    gc.collect()  # what the network for one film reads from must still be there
    np.testing.assert_array_equal(quick.features(films[:1]), load(asked).features(films)[:1])


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_features_are_the_means_of_what_keras_makes_of_grey_films(engine: str) -> None:
    films = drawn(5)
    taken = (films[..., :1].astype(np.float32) - 127.5) / 64
    expected = np.asarray(build(ROW, resolve("", ROW))(taken)).mean(axis=(1, 2))
    made = features("", engine, films)
    assert made.shape == (5, ROW.dim)
    np.testing.assert_allclose(made, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_colour_film_is_seen_in_the_grey_of_its_brightness(engine: str) -> None:
    films = RNG.integers(0, 256, (3, *ROW.size_hw, 3), dtype=np.uint8)
    in_grey = np.repeat(grey(films)[..., None], 3, axis=3)
    np.testing.assert_array_equal(features("", engine, films), features("", engine, in_grey))


def test_random_weights_are_drawn_and_nothing_of_the_file_is_left() -> None:
    ours, others = (build(ROW, resolve(text, ROW)).get_weights() for text in ("", "random:1"))
    again = build(ROW, resolve("random:1", ROW)).get_weights()
    assert all(not np.array_equal(one, other) for one, other in zip(ours, others, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(others, again, strict=True))


def test_a_file_of_weights_is_taken(tmp_path: Path) -> None:
    random = build(ROW, resolve("random:2", ROW))
    random.save_weights(tmp_path / "mine.weights.h5")
    films = drawn(2)
    made = features(str(tmp_path / "mine.weights.h5"), "openvino", films)
    np.testing.assert_array_equal(made, features("random:2", "openvino", films))


def test_network_is_found_in_a_wheel_that_was_sent_as_an_archive(tmp_path: Path) -> None:
    package = Path(catalog.__file__).parents[1]
    found = (*package.rglob("*.py"), *package.rglob("*.keras"))
    files = {path.relative_to(package.parent).as_posix(): path for path in found}
    code = (
        "import pathlib, spark_cxr.backbones.catalog as c; "
        "from spark_cxr.backbones.weights import resolve; "
        "found = pathlib.Path(resolve('', c.get('CXRNet')).path); "
        "print(c.__file__, found.is_file(), found.is_relative_to(pathlib.Path(c.__file__).parent))"
    )
    expected = "ARCHIVE/spark_cxr/backbones/catalog.py True False\n"
    assert told_from_archive(tmp_path, files, code) == expected


def test_embedding_changes_a_file_and_its_digest_and_nothing_else(tmp_path: Path) -> None:
    rows = Path(catalog.__file__).read_text(encoding="utf-8")
    (tmp_path / "catalog.py").write_text(rows, encoding="utf-8")
    told = Provenance("begin", "grey", "", "", "/home/x/b.keras", "0", "films", ("a", "b"), 3)
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"trained anew")
        archive.writestr(PROVENANCE, json.dumps(told.to_json()))
    sha256 = embed.embed(tmp_path / "new.keras", tmp_path)
    embedded = tmp_path / "embedded/cxrnet.keras"
    with zipfile.ZipFile(embedded) as archive:
        assert archive.read("model.weights.h5") == b"trained anew"
        says = json.loads(archive.read(PROVENANCE))
    assert (says["backbone"], says["started_from"], says["seed"]) == ("CXRNet", "b.keras", 3)
    assert ROW.embedded is not None
    assert sha256 == hashlib.sha256(embedded.read_bytes()).hexdigest()
    changed = (tmp_path / "catalog.py").read_text(encoding="utf-8")
    assert changed == rows.replace(ROW.embedded.sha256, sha256) != rows


def test_file_names_no_folder_of_whoever_made_it() -> None:
    with zipfile.ZipFile(resolve("", ROW).path) as archive:
        says = json.loads(archive.read(PROVENANCE))
    assert says["backbone"] == "CXRNet"
    assert "/" not in says["started_from"]


# From a network for colour pictures


@pytest.mark.parametrize("normalising", ["caffe", "tf", "torch", "none"])
def test_grey_network_gives_the_features_of_the_one_in_colour(normalising: str) -> None:
    keras = import_keras()
    keras.utils.set_random_seed(5)
    taken = keras.Input((64, 48, 3))
    maps = keras.layers.Conv2D(6, 3, strides=2, activation="relu", bias_initializer="normal")(taken)
    maps = keras.layers.Conv2D(4, 3, padding="same")(maps)
    colour = keras.Model(taken, keras.layers.GlobalAveragePooling2D()(maps))
    films = RNG.integers(0, 256, (4, 64, 48, 1), dtype=np.uint8)
    expected = compose(colour, normalising, "avg").predict(np.repeat(films, 3, 3), verbose=0)
    made = compose(to_grey(colour, normalising), "grey", "avg").predict(films, verbose=0)
    np.testing.assert_allclose(made, expected, atol=1e-4 * np.abs(expected).max())


def test_network_that_pads_its_first_layer_cannot_be_made_grey() -> None:
    keras = import_keras()
    taken = keras.Input((32, 32, 3))
    padded = keras.Model(taken, keras.layers.Conv2D(2, 3, padding="same", name="first")(taken))
    with pytest.raises(ConfigError, match=r"pads nothing and has a bias\. Received: Conv2D first"):
        to_grey(padded, "tf")


def test_squeezenet_in_grey_gives_its_features_of_real_films(
    own_network: Path, shared_data: Path
) -> None:
    files = sorted((shared_data / "ozturk").rglob("*.jp*g"))[::60][:12]
    films = np.stack([to_network(grey_film(file), ROW.size_hw) for file in files])
    row = find(str(own_network))
    colour = build(row, resolve("", row))
    expected = compose(colour, row.normalising, "avg").predict(films, verbose=0)
    small = compose(to_grey(colour, row.normalising), "grey", "avg")
    made = small.predict(films[..., :1], verbose=0)
    np.testing.assert_allclose(made, expected, atol=1e-4 * np.abs(expected).max())


def test_our_network_is_built_as_its_file_is(own_network: Path) -> None:
    row = find(str(own_network))
    begun = begin(build(row, resolve("", row)), row.normalising)
    trained = build(ROW, resolve("", ROW))
    assert begun.get_layer(ROW.spatial_layer).output is begun.output
    shapes = [[each.shape for each in model.get_weights()] for model in (begun, trained)]
    assert shapes[0] == shapes[1]


def test_half_of_its_maps_are_the_texture_of_squeezenet(own_network: Path) -> None:
    keras, row = import_keras(), find(str(own_network))
    grey_one = to_grey(build(row, resolve("", row)), row.normalising)
    begun = begin(build(row, resolve("", row)), row.normalising)
    taken = (drawn(2)[..., :1].astype(np.float32) - 127.5) / 64
    fine = np.asarray(keras.Model(grey_one.input, grey_one.get_layer(TEXTURE).output)(taken))
    made = np.asarray(begun(taken))[..., :128]
    np.testing.assert_allclose(made[:, 2, 5], fine[:, 8:15, 20:27].mean(axis=(1, 2)), rtol=1e-4)


def grey_film(file: Path) -> NDArray[np.uint8]:
    pixels = decode(file.read_bytes()).pixels
    return pixels if pixels.ndim == 2 else grey(pixels)
