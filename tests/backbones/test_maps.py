"""Maps: margins spread over a film, exactly; and films with parts hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones import maps as cam
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.engines import load, load_mapper
from spark_cxr.backbones.engines.fake import CELLS as FAKE_CELLS
from spark_cxr.backbones.engines.plan import Mapped, Plan
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import build, normalise
from spark_cxr.backbones.maps import CELLS, MASKS, occlude, rise
from spark_cxr.backbones.network import prepare
from spark_cxr.backbones.user_network import find
from spark_cxr.backbones.weights import resolve
from spark_cxr.errors import SparkCxrError
from spark_cxr.images.prepare import to_channels
from tests.quick import fake_plan

QUICK = ("MobileNetV2", "CXRNet")
SMALL = 96


def in_small(row: Backbone) -> Backbone:
    """Make a network take small films, unless its file says how large they are."""
    return row if row.embedded else replace(row, size_hw=(SMALL, SMALL))


ROWS = [
    pytest.param(
        in_small(catalog.get(name)),
        id=name,
        marks=() if name in QUICK else pytest.mark.slow,
    )
    for name in catalog.names()
    if name != "fake"
]
RNG = np.random.default_rng(5)


def plan_of(row: Backbone, engine: str, pooling: str = "avg", weights: str = "random:0") -> Plan:
    network = prepare(row, resolve(weights, row), engine, pooling, say=lambda _: None)
    return Plan(network, 1, "f32", "cpu", 4)


def films_of(row: Backbone, count: int = 5) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (count, *row.size_hw, 3), dtype=np.uint8)


def mapped(plan: Plan, films: NDArray[np.uint8]) -> Mapped:
    mapper = load_mapper(plan)
    assert mapper is not None
    return mapper.maps(films)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("row", ROWS)
def test_mean_of_a_class_map_is_its_margin(row: Backbone, engine: str) -> None:
    plan, films = plan_of(row, engine), films_of(row)
    features = load(plan).features(films).astype(np.float64)
    # Random networks give small numbers; a head that was fitted on them would have large weights.
    weights = RNG.standard_normal((3, row.dim)) / features.std()
    for maps, vector in zip(mapped(plan, films).maps, features, strict=True):
        margins = weights @ vector
        found = cam.class_maps(maps, weights)
        assert np.abs(found.mean(axis=(1, 2)) - margins).max() <= 1e-4 * np.abs(margins).max()


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("row", ROWS)
def test_maps_are_what_keras_has_at_the_layer_of_the_catalog(row: Backbone, engine: str) -> None:
    films = films_of(row, 2)
    keras = import_keras()
    model: Any = build(row, resolve("random:0", row))
    layer = keras.Model(model.input, model.get_layer(row.spatial_layer).output)
    taken = to_channels(films, model.input_shape[-1]).astype(np.float32)
    expected = np.asarray(layer(normalise(taken, row.normalising)))
    found = mapped(plan_of(row, engine), films).maps.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_maps_leave_the_vectors_as_they_are(tiny_network: Path, engine: str) -> None:
    row = find(str(tiny_network), "tf")
    plan, films = plan_of(row, engine, weights=""), films_of(row, 9)
    before = load(plan).features(films)
    np.testing.assert_array_equal(mapped(plan, films).vectors, before)
    np.testing.assert_array_equal(load(plan).features(films), before)


@pytest.fixture(scope="module")
def pooled_networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Save networks that pool by themselves: by the mean, by the maximum, before a dense layer."""
    keras = import_keras()
    keras.utils.set_random_seed(4)
    films = keras.Input((32, 48, 3))
    maps = keras.layers.Conv2D(6, 3, strides=4, activation="relu")(films)
    mean = keras.layers.GlobalAveragePooling2D()(maps)
    ends = {
        "mean": mean,
        "maximum": keras.layers.GlobalMaxPooling2D()(maps),
        "dense": keras.layers.Dense(5)(mean),
    }
    folder = tmp_path_factory.mktemp("pooled")
    for name, end in ends.items():
        keras.Model(films, end).save(folder / f"{name}.keras")
    return {name: folder / f"{name}.keras" for name in ends}


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_maps_of_a_network_that_pools_by_itself_are_found(
    pooled_networks: dict[str, Path], engine: str
) -> None:
    row = find(str(pooled_networks["mean"]), "none")
    found = mapped(plan_of(row, engine, weights=""), films_of(row, 3))
    assert found.maps.shape == (3, 6, 8, 12)
    np.testing.assert_allclose(found.maps.mean(axis=(2, 3)), found.vectors, rtol=1e-4)


@pytest.mark.parametrize("name", ["maximum", "dense"])
@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_network_whose_vector_is_no_mean_has_no_maps(
    pooled_networks: dict[str, Path], engine: str, name: str
) -> None:
    row = find(str(pooled_networks[name]), "none")
    assert load_mapper(plan_of(row, engine, weights="")) is None


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_maximum_of_maps_is_no_mean(tiny_network: Path, engine: str) -> None:
    row = find(str(tiny_network), "tf")
    assert load_mapper(plan_of(row, engine, "max", weights="")) is None


def test_map_of_the_fake_network_means_its_vector() -> None:
    films = films_of(catalog.get("fake"), 3)
    found = mapped(fake_plan(), films)
    np.testing.assert_allclose(found.maps.mean(axis=(2, 3)), found.vectors, atol=1e-5)


def test_maps_that_do_not_add_up_are_refused() -> None:
    maps = RNG.standard_normal((2, 4, 4)).astype(np.float32)
    rests = np.array([0.5, -1.0])
    margins = maps.mean(axis=(1, 2)) + rests
    cam.check_exact(maps, rests, margins)
    with pytest.raises(SparkCxrError, match=r"margins to 0\.0001\. Received: 0\.1"):
        cam.check_exact(maps, rests, margins + np.array([0.1, 0]))


def test_grad_cam_weighs_by_the_mean_gradient() -> None:
    maps, slopes = RNG.random((3, 2, 4)), np.array([[1.0, -2.0, 0.5]])
    expected = sum(slopes[0, k] / 8 * maps[k] for k in range(3))
    np.testing.assert_allclose(cam.grad_cam(maps, slopes)[0], expected, rtol=1e-5)


def test_grad_cam_pp_is_what_its_paper_sums_up_pixel_by_pixel() -> None:
    maps, slopes = RNG.random((3, 2, 4)), np.array([[1.0, -2.0, 0.5]])
    expected = np.zeros((2, 4))
    for k in range(3):
        gradient = np.full((2, 4), slopes[0, k] / 8)
        alpha = gradient**2 / (2 * gradient**2 + gradient**3 * maps[k].sum())
        expected += 8 * (alpha * np.maximum(gradient, 0)).mean() * maps[k]
    np.testing.assert_allclose(cam.grad_cam_pp(maps, slopes)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("row", ROWS)
def test_cells_look_where_the_catalog_says(row: Backbone) -> None:
    """Change a patch of noise, and find the middle of what changes in the maps."""
    whole = catalog.get(row.name)
    plan, side = plan_of(whole, "openvino"), whole.size_hw[0]
    grid = cam.grid_of(plan.network)
    assert grid is not None
    film = np.full((side, side, 3), 128, np.uint8)
    shifts = []
    for across in (side * 3 // 8, side // 2, side * 5 // 8):
        changed = film.copy()
        changed[:, across - 8 : across + 8] = 255
        before, after = mapped(plan, np.stack([film, changed])).maps
        change = np.abs(after - before).sum(axis=(0, 1), dtype=np.float64)
        change = (change / change.max()) ** 4  # the middle, not the far field
        cell = (np.arange(len(change)) * change).sum() / change.sum()
        shifts.append((grid.first + cell * grid.step) * side - across)
    assert abs(np.mean(shifts)) < 8


FILM = np.random.default_rng(1).integers(90, 110, (64, 64, 3), dtype=np.uint8)
FILM[8:16, 40:48] = 255
"""Cell (1, 5) of 8 x 8 is bright."""


def brightness(films):
    """Score by the known place alone: a margin for it, and one that nothing changes."""
    at = films[:, 8:16, 40:48].mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([at, np.zeros(len(at))], axis=1)


@pytest.mark.parametrize("method", [occlude, rise])
def test_heat_is_where_the_score_looks(method):
    found = method(FILM, brightness)
    assert found.shape == (2, CELLS, CELLS)
    assert np.unravel_index(found[0].argmax(), found[0].shape) == (1, 5)
    np.testing.assert_array_equal(found[1], 0)


def test_fall_of_a_hidden_window_is_what_the_score_loses():
    fill = FILM.mean(axis=(0, 1)).astype(np.uint8).mean()
    assert occlude(FILM, brightness)[0, 1, 5] == pytest.approx(255 - fill, abs=1)


def test_windows_far_away_change_nothing():
    found = occlude(FILM, brightness)[0]
    np.testing.assert_array_equal(found[4:], 0)
    np.testing.assert_array_equal(found[:, :3], 0)


@pytest.mark.parametrize(("method", "passes"), [(occlude, CELLS**2 + 1), (rise, MASKS)])
def test_number_of_passes_is_fixed(method, passes):
    counted = []
    method(FILM, lambda films: counted.append(len(films)) or brightness(films))
    assert sum(counted) == passes


def test_random_masks_are_the_same_for_the_same_seed():
    np.testing.assert_array_equal(rise(FILM, brightness, 3), rise(FILM, brightness, 3))
    assert (rise(FILM, brightness, 3) != rise(FILM, brightness, 4)).any()


def test_tree_on_one_feature_is_explained_by_the_cells_of_that_feature():
    """A stump whose feature is one known cell of the film: hiding the cell changes its mind."""
    from spark_cxr.heads.portable.trees import Trees

    stump = Trees(
        feature=np.array([37, 0, 0]),
        threshold=np.array([150.0, np.inf, np.inf]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        value=np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]),
        roots=np.array([0]),
        depth=np.array([1]),
        link="share",
    )
    film = np.full((64, 64, 3), 100, np.uint8)
    row, column = divmod(37, FAKE_CELLS)
    film[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] = 255

    def score(films):
        cells = films.reshape(len(films), FAKE_CELLS, 4, FAKE_CELLS, 4, 3).mean(axis=(2, 4, 5))
        return stump.margins(cells.reshape(len(films), -1).astype(np.float64))

    found = occlude(film, score)[1]
    assert found[row // 2, column // 2] == pytest.approx(0.7)
    np.testing.assert_allclose(np.unique(found), [0, 0.7], rtol=1e-6)
