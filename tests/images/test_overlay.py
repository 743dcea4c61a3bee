"""Pictures of film and heat: pixel for pixel, bounded, readable by others."""

import io

import numpy as np
import pytest
from PIL import Image

from spark_cxr.images.heat import Words, blend, bounded, heat_png, levels, overlay_png, place
from spark_cxr.images.prepare import resize
from spark_cxr.images.raster import encode_png

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
