"""The central promise: features are those that Keras itself would give."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from loopback import serving
from numpy.typing import NDArray
from official_layout import drawn_films, kerass_features, write_official

from spark_cxr.backbones import catalog
from spark_cxr.backbones.catalog import Backbone, PublishedWeights
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.network import Network, prepare
from spark_cxr.backbones.weights import Weights, resolve

QUICK = ("MobileNetV2", "EfficientNetB0")
NETWORKS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in catalog.names()
    if catalog.get(name).constructor
]
COUNT = 5
"""One more than the OpenVINO engine takes at once: the last step is not full."""


@dataclass(frozen=True)
class Case:
    """A network with weights that came over the loopback server, and Keras' features."""

    row: Backbone
    weights: Weights
    films: NDArray[np.uint8]
    expected: NDArray[np.float32]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    row, folder = catalog.get(request.param), tmp_path_factory.mktemp("official")
    assert row.weights is not None
    file = folder / row.weights.name
    write_official(row, file)
    films = drawn_films(row, COUNT)
    with serving() as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CXR_CACHE", str(folder / "cache"))
        site.files[file.name] = file.read_bytes()
        published = PublishedWeights(
            f"{site.address}/{file.name}", hashlib.md5(file.read_bytes()).hexdigest()
        )
        weights = resolve("imagenet", replace(row, weights=published), say=lambda _: None)
        expected = kerass_features(row, file, films, patch)
    return Case(row, weights, films, expected)


def features(case: Case, engine: str, precision: str) -> NDArray[np.float32]:
    network = prepare(case.row, case.weights, engine, say=lambda _: None)
    plan = Plan(network, 1, precision, "cpu", 4)
    return load(plan).features(case.films)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_features_in_f32_are_those_of_keras(case: Case, engine: str) -> None:
    made = features(case, engine, "f32")
    assert made.shape == (COUNT, case.row.dim)
    # Random networks may give small numbers: what is left must be small beside them too.
    largest = min(1.0, float(np.abs(case.expected).max()))
    assert np.abs(made - case.expected).max() <= 1e-4 * largest


def test_features_in_bf16_point_where_those_of_keras_do(case: Case) -> None:
    made = features(case, "openvino", "auto").astype(np.float64)
    expected = case.expected.astype(np.float64)
    norms = np.linalg.norm(made, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((made * expected).sum(axis=1) / norms).min() >= 0.999


@pytest.mark.parametrize("pooling", ["max", "none"])
@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_other_poolings_are_those_of_keras(
    engine: str, pooling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(catalog.get("MobileNetV2"), size_hw=(96, 96))
    file = tmp_path / "weights.h5"
    write_official(row, file)
    films = drawn_films(row, 2)
    expected = kerass_features(row, file, films, monkeypatch, pooling)
    network = prepare(row, resolve(str(file), row), engine, pooling, say=lambda _: None)
    made = load(Plan(network, 1, "f32", "cpu")).features(films)
    assert network.dim == expected.shape[1]
    np.testing.assert_allclose(made, expected, atol=1e-4 * np.abs(expected).max())


def test_own_network_gives_the_features_of_keras(own_network: Path) -> None:
    from spark_cxr.backbones.keras_backend import import_keras
    from spark_cxr.backbones.user_network import find

    row = find(str(own_network), "caffe")
    films = drawn_films(row, 3)
    network = prepare(row, resolve("", row), "openvino", say=lambda _: None)
    made = load(Plan(network, 1, "f32")).features(films)
    keras = import_keras()
    prepared = keras.applications.resnet50.preprocess_input(films.astype(np.float32))
    model = keras.saving.load_model(own_network, compile=False)
    np.testing.assert_allclose(made, model.predict(prepared, verbose=0), atol=1e-4)


def test_network_knows_the_length_of_its_vectors(own_network: Path) -> None:
    from spark_cxr.backbones.user_network import find

    row = find(str(own_network), "caffe")
    network: Network = prepare(row, resolve("", row), "openvino", say=lambda _: None)
    assert network.dim == 512
