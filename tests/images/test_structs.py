"""Image structs, by hand-made bytes and without Spark."""

import numpy as np
import pytest
from PIL import Image

from spark_cxr.errors import BadImage
from spark_cxr.images.structs import StructPreparation, array_of, lifted, to_film

BLUE_RED = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
"""A blue pixel and a red one, blue first."""


def film(array, size_hw=None, preparing=StructPreparation()):  # noqa: B008 - frozen
    height, width, channels = array.shape
    mode = {1: 0, 3: 16, 4: 24}[channels]
    row = (height, width, channels, mode, array.tobytes())
    return to_film(row, size_hw or (height, width), preparing)


def test_films_are_red_first():
    np.testing.assert_array_equal(film(BLUE_RED), [[[0, 0, 255], [255, 0, 0]]])


def test_grey_is_repeated_and_stays_as_it_is():
    np.testing.assert_array_equal(film(np.full((1, 1, 1), 64, np.uint8)), [[[64, 64, 64]]])


def test_grey_is_lifted_as_sparkdl_did_where_that_is_asked_for():
    made = film(np.full((1, 1, 1), 64, np.uint8), preparing=StructPreparation(lift_grey=True))
    np.testing.assert_array_equal(made, [[[137, 137, 137]]])


def test_lifting_leaves_black_and_white():
    assert lifted(np.array([0, 255], np.uint8)).tolist() == [0, 255]


def test_transparent_pixels_lie_on_black():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [10, 20, 30, 128]]], np.uint8)
    np.testing.assert_array_equal(film(pixels), [[[30, 20, 10], [0, 0, 0], [15, 10, 5]]])


def test_area_averaging_weighs_parts_of_pixels():
    pixels = np.array([[[0], [90], [240]]], np.uint8)
    made = film(pixels, (1, 2))[..., 0]
    np.testing.assert_array_equal(made, [[30, 190]])  # (0 + 45) / 1.5 and (45 + 240) / 1.5


@pytest.mark.parametrize("hint", ["SCALE_DEFAULT", "SCALE_FAST", "SCALE_REPLICATE"])
def test_other_hints_take_the_pixel_in_the_middle(hint):
    pixels = np.arange(6, dtype=np.uint8).reshape(1, 6, 1)
    made = film(pixels, (2, 2), StructPreparation(scale_hint=hint))[..., 0]
    np.testing.assert_array_equal(made, [[1, 4], [1, 4]])


def test_pillows_nearest_pixel_is_taken_where_that_is_asked_for():
    pixels = np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)
    made = film(pixels, (29, 47), StructPreparation(scale_hint="PILLOW_NEAREST"))
    expected = Image.fromarray(pixels[..., ::-1]).resize((47, 29), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(made, np.asarray(expected))


@pytest.mark.parametrize(
    "row",
    [
        (None, None, None, None, None),
        (float("nan"),) * 4 + (None,),
        (-1, -1, -1, -1, b""),
        (2, 2, 3, 16, b"short"),
        (2, 2, 3, 0, bytes(12)),
        (2, 2, 2, 8, bytes(8)),
        (0, 2, 3, 16, b""),
        (1, 1, 1, 5, bytes(4)),
    ],
)
def test_structs_that_hold_no_image_are_bad_images(row):
    with pytest.raises(BadImage):
        to_film(row, (2, 2), StructPreparation())


def test_arrays_keep_the_order_of_the_struct():
    assert array_of(1, 2, 1, 0, b"\x01\x02").tolist() == [[[1], [2]]]
