"""Heat on a film: placed, coloured, and drawn with its bar and words."""

import io

import numpy as np
import pytest
from PIL import Image

from spark_cxr.images.fit import Fit
from spark_cxr.images.heat import (
    Grid,
    Words,
    blend,
    bounded,
    heat_png,
    layer,
    levels,
    nice_scale,
    overlay_png,
    place,
)
from spark_cxr.images.prepare import resize
from spark_cxr.images.raster import encode_png


@pytest.mark.parametrize("size_hw", [(64, 64), (96, 40), (33, 500), (2048, 1600)])
def test_hot_cell_is_hottest_in_its_middle(size_hw):
    field = np.zeros((8, 8))
    field[2, 5] = 1
    found = place(field, size_hw)
    assert found.shape == size_hw
    rows, columns = np.nonzero(found == found.max())
    assert (rows.mean() + 0.5) / size_hw[0] == pytest.approx(2.5 / 8, abs=0.51 / size_hw[0])
    assert (columns.mean() + 0.5) / size_hw[1] == pytest.approx(5.5 / 8, abs=0.51 / size_hw[1])


def test_same_size_is_the_map_itself():
    field = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    np.testing.assert_allclose(place(field, (7, 5)), field, atol=1e-6)


def test_whole_multiples_keep_the_mean_of_an_even_map():
    np.testing.assert_allclose(place(np.full((7, 7), 3.5), (100, 60)), 3.5, rtol=1e-6)


def test_known_centres_move_the_heat():
    field = np.zeros((4, 4))
    field[0, 0] = 1
    found = place(field, (100, 100), Grid(first=0.2, step=0.2))
    assert found[19:21, 19:21].min() == pytest.approx(0.975, abs=0.03)
    assert found[20, 40] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(
    ("largest", "scale"), [(0.7, 1), (1, 1), (1.01, 2), (3, 5), (51, 100), (0, 1), (0.0021, 0.005)]
)
def test_scale_is_a_round_number(largest, scale):
    assert nice_scale(largest) == pytest.approx(scale)


def test_levels_are_symmetric_and_cut():
    told = levels(np.array([-9, -2, -1, 0, 1, 2, 9]), 2)
    assert told.tolist() == [0, 0, 63, 127, 191, 254, 254] or told.tolist() == [
        *(0, 0, 64, 127, 190, 254, 254)
    ]


def oklab(rgb):
    """Turn sRGB into OKLab by the matrices of its definition, the other way round."""
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = (
        linear
        @ np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        ).T
    )
    return (
        np.cbrt(cones)
        @ np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        ).T
    )


@pytest.mark.parametrize("side", [slice(0, 120, 10), slice(134, 254, 10)])
def test_equal_steps_of_heat_look_equally_far_apart(side):
    colours = layer(np.arange(255, dtype=np.uint8))[side, :3].astype(float)
    steps = np.linalg.norm(np.diff(oklab(colours), axis=0), axis=1)
    assert steps.min() > 0.015
    assert steps.max() / steps.min() < 1.35


def test_both_ends_are_equally_bright():
    ends = oklab(layer(np.array([0, 254], np.uint8))[:, :3].astype(float))
    assert abs(ends[0, 0] - ends[1, 0]) < 0.01


def test_heat_covers_more_the_stronger_it_is_and_nothing_at_none():
    opacity = layer(np.arange(255, dtype=np.uint8))[:, 3].astype(int)
    assert opacity[127] == 0
    assert (np.diff(opacity[127:]) >= 0).all()
    np.testing.assert_array_equal(opacity, opacity[::-1])


def test_blend_is_the_layer_over_the_film():
    rng = np.random.default_rng(2)
    grey, found = rng.integers(0, 256, (2, 30, 40), dtype=np.uint8)
    found = np.minimum(found, 254)
    colour = layer(found).astype(float)
    share = colour[..., 3:] / 255
    expected = grey[..., None] * (1 - share) + colour[..., :3] * share
    np.testing.assert_allclose(blend(grey, found), expected, atol=0.51)


RNG = np.random.default_rng(3)
FIELD = RNG.standard_normal((7, 7)).astype(np.float32)
WORDS = Words(("Pneumonia 70 %, rather than Normal 20 %", "cam"), "Pneumonia", "Normal")


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (300, 1), (1, 1, 3)])
def test_png_gives_its_pixels_back(shape):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(opened(encode_png(pixels)), pixels)


@pytest.mark.parametrize("size_hw", [(40, 36), (64, 200), (500, 90)])
def test_film_with_heat_lies_at_the_top_left(size_hw):
    film = RNG.integers(0, 256, size_hw, dtype=np.uint8)
    found = opened(overlay_png(film, FIELD, 2.0, WORDS))
    expected = blend(film, levels(place(FIELD, size_hw), 2.0))
    np.testing.assert_array_equal(found[: size_hw[0], : size_hw[1]], expected)
    assert found.shape[0] > size_hw[0]
    assert found.shape[1] > size_hw[1]


def test_long_words_have_room():
    film = np.zeros((40, 40), np.uint8)
    long = Words(("a long line of many words " * 5,), "A", "B")
    narrow, wide = (opened(overlay_png(film, FIELD, 1, words)) for words in (WORDS, long))
    assert wide.shape[1] > narrow.shape[1]
    assert (wide[:, -8:] == 16).all()


def test_layer_is_transparent_where_there_is_no_heat():
    found = opened(heat_png(np.zeros((7, 7), np.float32), (50, 30), 1.0))
    assert found.shape == (50, 30, 4)
    assert (found[..., 3] == 0).all()


def test_bounded_film_is_the_area_average():
    film = RNG.integers(0, 256, (400, 200), dtype=np.uint8)
    np.testing.assert_array_equal(bounded(film, 100), resize(film, (100, 50)))
    assert bounded(film, 0) is film
    assert bounded(film, 400) is film


def test_coloured_film_becomes_grey():
    colour = np.full((40, 40, 3), (30, 60, 91), np.uint8)
    assert (bounded(colour, 0) == 60).all()


def test_heat_lies_on_the_part_that_the_network_sees():
    field = np.arange(1, 5, dtype=np.float32).reshape(2, 2)
    cropped = place(field, (40, 20), Grid(fit=Fit((8, 8), "crop")))
    assert not cropped[:10].any()
    assert not cropped[30:].any()
    np.testing.assert_array_equal(cropped[10:30], place(field, (20, 20)))
    padded = place(field, (40, 20), Grid(fit=Fit((8, 8), "pad")))
    np.testing.assert_allclose(padded, place(field, (40, 40))[:, 10:30], atol=1e-6)
    squashed = place(field, (40, 20), Grid(0.25, 0.5, Fit((8, 8))))
    np.testing.assert_array_equal(squashed, place(field, (40, 20)))
