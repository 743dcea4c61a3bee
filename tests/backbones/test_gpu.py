"""What workers run, on a real GPU: `make test-gpu` promises one, so that none is a failure."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.devices import claim
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector, featurize
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.network import Network, prepare
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import BadImage, SetupError
from spark_cxr.phantoms import phantoms

pytestmark = pytest.mark.gpu

GIBIBYTE_OF_FLOATS = 2**28
MANY = 2048
"""Films at once, whose first maps alone are larger than what the test leaves free."""


@pytest.fixture(scope="module")
def drawn() -> list[bytes]:
    return [p.data for p in phantoms(12, 5, 160, ("png", "jpeg"), 1)]


def mobile_net() -> Network:
    row = catalog.get("MobileNetV2")
    return prepare(row, resolve("random:0", row), "keras", say=lambda _: None)


def plan(network: Network, precision: str, device: str) -> Plan:
    return Plan(network, batch_size=4, precision=precision, device=device)


def vectors(drawn: list[bytes], how: Plan) -> NDArray[np.float32]:
    made = featurize(drawn, how)
    assert [isinstance(each, BadImage) for each in made].count(True) == 1
    return np.stack([each for each in made if not isinstance(each, BadImage)])


def cosines(some: NDArray[np.float32], others: NDArray[np.float32]) -> Vector:
    """Compare films by what tells them apart: the features of random weights are all alike."""
    mean = others.mean(axis=0)
    some, others = some - mean, others - mean
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    return np.asarray((some * others).sum(axis=1) / lengths, np.float32)


def test_the_promised_gpu_is_there() -> None:
    backend = import_keras().backend.backend()
    try:
        assert claim(backend, "gpu", 1) == "gpu:0"
    except SetupError as error:
        pytest.fail(f"a GPU was promised. {error}", pytrace=False)


def test_engine_says_that_it_runs_on_the_gpu() -> None:
    backend = import_keras().backend.backend()
    used = load(Plan(mobile_net(), device="gpu")).used
    assert (used.device, used.precision) == (f"gpu:0 ({backend})", "f16")


@pytest.mark.parametrize(("precision", "share"), [("f32", 2e-3), ("auto", 5e-3), ("bf16", 0.02)])
def test_features_of_a_small_network_equal_those_of_the_cpu(
    tiny_network: Path, drawn: list[bytes], precision: str, share: float
) -> None:
    row = find(str(tiny_network), "tf")
    network = prepare(row, resolve("", row), "keras", say=lambda _: None)
    expected = vectors(drawn, plan(network, "f32", "cpu"))
    made = vectors(drawn, plan(network, precision, "gpu"))
    # Also in f32: GPUs multiply 32-bit numbers with 10 bits of fraction where they may.
    np.testing.assert_allclose(made, expected, atol=share * np.abs(expected).max())


def test_films_keep_what_tells_them_apart_in_a_deep_network(drawn: list[bytes]) -> None:
    network = mobile_net()  # f32 only: with random weights its features are too small for f16
    expected = vectors(drawn, plan(network, "f32", "cpu"))
    assert cosines(vectors(drawn, plan(network, "f32", "gpu")), expected).min() > 0.99


def test_batches_are_halved_when_the_gpu_has_no_more_room() -> None:
    keras = import_keras()
    engine = load(Plan(mobile_net(), precision="f32", device="gpu", batch_size=MANY))
    films = np.random.default_rng(0).integers(0, 256, (MANY, 224, 224, 3), dtype=np.uint8)
    expected = engine.features(films[:8])
    taken = []
    try:
        with keras.device("gpu:0"):
            while True:
                taken.append(keras.ops.zeros(GIBIBYTE_OF_FLOATS, "float32") + 1)
    except Exception as error:  # noqa: BLE001, each backend has its own
        assert taken, error
    del taken[-2:]
    made = engine.features(films)
    assert engine.used.batch_size < MANY
    assert len(made) == MANY
    assert cosines(made[:8], expected).min() > 0.99


def test_the_batch_that_is_fastest_is_found() -> None:
    engine = load(Plan(mobile_net(), device="gpu", batch_size=0))
    assert engine.used.batch_size in {8, 16, 32, 64, 128, 256, 512}
    films = np.zeros((3, 224, 224, 3), np.uint8)
    assert engine.features(films).shape == (3, 1280)
