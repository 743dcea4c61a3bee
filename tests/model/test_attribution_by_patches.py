"""Parts of a film that are hidden from a transformer are whole patches of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.backbones import maps, network, weights
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.user_network import find
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.heat import place
from spark_cxr.model.attribution import Attribution
from tests import tiny_onnx

CARD = """
[input]
scale = 0.0039215686274509803
fit = "crop"
[output]
pooling = "class"
"""
HEAD = Linear(np.stack([-np.ones(5), np.ones(5)]), np.zeros(2), "softmax")
SIDE = 4
"""Pixels of a patch of the tiny network."""
Prepare = Callable[..., Plan]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    def prepare(patches: int, decisive: int, card: str = CARD) -> Plan:
        path = tmp_path / "tiny.onnx"
        path.write_bytes(tiny_onnx.tokens(size=SIDE * patches, patch=decisive))
        path.with_suffix(".toml").write_text(card)
        row = find(str(path))
        return Plan(network.prepare(row, weights.resolve("", row), "openvino"), precision="f32")

    return prepare


def film_of(plan: Plan) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (*plan.network.size_hw, 3), np.uint8)


@pytest.mark.parametrize("method", ["occlusion", "rise"])
@pytest.mark.parametrize("decisive", [0, 6, 15])
def test_the_one_patch_that_decides_is_the_top_of_the_map(
    prepare: Prepare, method: str, decisive: int
) -> None:
    plan = prepare(4, decisive)
    (found,) = Attribution(method, HEAD, plan).trace(film_of(plan)[None])
    heat = np.abs(found.maps[1])
    assert heat.shape == (4, 4)
    assert heat.argmax() == decisive
    if method == "occlusion":
        assert np.count_nonzero(heat) == 1


@pytest.mark.parametrize("size_hw", [(64, 96), (96, 64)])
def test_the_patch_lies_on_the_film_where_its_fit_has_it(
    prepare: Prepare, size_hw: tuple[int, int]
) -> None:
    attribution = Attribution("occlusion", HEAD, prepare(4, 6))
    (found,) = attribution.trace(film_of(attribution.plan)[None])
    heat = np.abs(place(found.maps[1], size_hw, attribution.grid))
    rows, columns = np.nonzero(heat == heat.max())
    # The middle 64 pixels are seen, and patch 6 is the third of the second row of four.
    top, left = ((side - 64) // 2 for side in size_hw)
    assert rows.mean() + 0.5 == pytest.approx(top + 1.5 * 16, abs=0.51)
    assert columns.mean() + 0.5 == pytest.approx(left + 2.5 * 16, abs=0.51)


@pytest.mark.parametrize(("patches", "cells"), [(1, 1), (8, 8), (14, 7), (16, 8), (37, 8)])
@pytest.mark.parametrize("method", [maps.occlude, maps.rise])
def test_a_patch_is_hidden_evenly_and_cells_are_few(
    method: Callable[..., np.ndarray], patches: int, cells: int
) -> None:
    side = patches * SIDE
    film = np.zeros((side, side, 3), np.uint8)
    film[:, side // 2 :] = 200

    def score(films: np.ndarray) -> np.ndarray:
        parts = films.reshape(len(films), patches, SIDE, side, 3)
        assert (parts == parts[:, :, :1]).all()
        return films.mean(axis=(1, 2, 3), dtype=np.float64)[:, None]

    assert method(film, score, patch=SIDE).shape == (1, cells, cells)


def test_cells_that_do_not_divide_a_side_evenly_lie_where_their_patches_do(
    prepare: Prepare,
) -> None:
    """Ten patches are five cells of two, eleven are six cells of two, the last half empty."""
    for patches in (10, 11):
        attribution = Attribution("occlusion", HEAD, prepare(patches, patches * 5 + 5))
        (found,) = attribution.trace(film_of(attribution.plan)[None])
        side = patches * SIDE
        heat = np.abs(place(found.maps[1], (side, side), attribution.grid))
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert abs(row + 0.5 - 5.5 * SIDE) <= 1.5 * SIDE
        assert abs(column + 0.5 - 5.5 * SIDE) <= 1.5 * SIDE
        if patches == 11:
            assert attribution.grid is not None
            assert attribution.grid.first * side == pytest.approx(SIDE)
            assert attribution.grid.step * side == pytest.approx(2 * SIDE)


def test_the_size_of_a_patch_is_found_in_the_graph_or_in_its_card(prepare: Prepare) -> None:
    assert maps.patch_of(prepare(4, 0).network) == SIDE
    stated = f"{CARD}patch = 8\n"
    assert maps.patch_of(prepare(4, 0, stated).network) == 8
    pooled = CARD.replace('"class"', '"tokens"')
    assert maps.patch_of(prepare(4, 0, pooled).network) == SIDE


def test_the_size_of_a_patch_changes_no_vector(prepare: Prepare) -> None:
    keys = {network.key(prepare(4, 0, card).network) for card in (CARD, f"{CARD}patch = 8\n")}
    assert len(keys) == 1
