"""Image structs and arrays, by hand-made bytes and without Spark."""

import io

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import Row

from spark_cxr.errors import BadImage
from spark_cxr.sparkdl import imageIO
from spark_cxr.sparkdl.structs import Preparing, array_of, lifted, to_film

BLUE_RED = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
"""A blue pixel and a red one, blue first."""


def test_struct_holds_the_bytes_row_by_row_blue_first():
    row = imageIO.imageArrayToStruct(BLUE_RED, "there.png")
    assert row.asDict() == {
        "origin": "there.png",
        "height": 1,
        "width": 2,
        "nChannels": 3,
        "mode": 16,
        "data": bytearray([255, 0, 0, 0, 0, 255]),
    }


def test_fields_stand_in_the_order_of_the_schema():
    row = imageIO.imageArrayToStruct(BLUE_RED)
    assert list(row.asDict()) == imageIO.imageSchema["image"].dataType.fieldNames()


@pytest.mark.parametrize(
    ("channels", "dtype", "mode"),
    [
        (1, "uint8", 0),
        (1, "float32", 5),
        (3, "uint8", 16),
        (3, "float32", 21),
        (4, "uint8", 24),
        (4, "float32", 29),
    ],
)
def test_arrays_come_back_from_structs(channels, dtype, mode):
    array = np.arange(2 * 3 * channels).reshape(2, 3, channels).astype(dtype)
    row = imageIO.imageArrayToStruct(array[None])
    assert row.mode == mode
    np.testing.assert_array_equal(imageIO.imageStructToArray(row), array)
    assert imageIO.imageStructToArray(row).dtype == dtype


@pytest.mark.parametrize("shape", [(2, 3), (2, 2, 3, 3), (2, 3, 2)])
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="Expected"):
        imageIO.imageArrayToStruct(np.zeros(shape, np.uint8))


def test_doubles_are_refused():
    with pytest.raises(ValueError, match=r"Received: .* float64\. Cast it"):
        imageIO.imageArrayToStruct(np.zeros((2, 2, 3)))


def test_pillow_images_are_turned_round():
    image = Image.new("RGB", (1, 1), (1, 2, 3))
    np.testing.assert_array_equal(imageIO.PIL_to_imageStruct(image), [[[3, 2, 1]]])


def test_transparency_of_pillow_images_stays_last():
    image = Image.new("RGBA", (1, 1), (1, 2, 3, 4))
    np.testing.assert_array_equal(imageIO.PIL_to_imageStruct(image), [[[3, 2, 1, 4]]])


@pytest.mark.parametrize(("mode", "colour"), [("L", 7), ("RGB", (1, 2, 3)), ("RGBA", (1, 2, 3, 4))])
def test_pillow_images_come_back_from_structs(mode, colour):
    image = Image.new(mode, (3, 2), colour)
    back = imageIO.imageStructToPIL(imageIO.imageArrayToStruct(imageIO.PIL_to_imageStruct(image)))
    assert (back.mode, back.size, back.getpixel((0, 0))) == (mode, (3, 2), colour)


def test_files_decode_blue_first():
    stream = io.BytesIO()
    Image.new("RGB", (2, 1), (1, 2, 3)).save(stream, "PNG")
    expected = [[[3, 2, 1], [3, 2, 1]]]
    np.testing.assert_array_equal(imageIO.PIL_decode(stream.getvalue()), expected)


# Structs → films


def film(array, size_hw=None, preparing=Preparing()):  # noqa: B008 - frozen
    height, width, channels = array.shape
    mode = {1: 0, 3: 16, 4: 24}[channels]
    row = (height, width, channels, mode, array.tobytes())
    return to_film(row, size_hw or (height, width), preparing)


def test_films_are_red_first():
    np.testing.assert_array_equal(film(BLUE_RED), [[[0, 0, 255], [255, 0, 0]]])


def test_grey_is_repeated_and_stays_as_it_is():
    np.testing.assert_array_equal(film(np.full((1, 1, 1), 64, np.uint8)), [[[64, 64, 64]]])


def test_grey_is_lifted_as_sparkdl_did_where_that_is_asked_for():
    made = film(np.full((1, 1, 1), 64, np.uint8), preparing=Preparing(lift_grey=True))
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
    made = film(pixels, (2, 2), Preparing(scale_hint=hint))[..., 0]
    np.testing.assert_array_equal(made, [[1, 4], [1, 4]])


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
        to_film(row, (2, 2), Preparing())


def test_arrays_keep_the_order_of_the_struct():
    assert array_of(1, 2, 1, 0, b"\x01\x02").tolist() == [[[1], [2]]]


def test_a_row_from_anywhere_is_read_by_name():
    row = Row(mode=0, data=bytearray(b"\x05"), nChannels=1, width=1, height=1, origin="")
    assert imageIO.imageStructToArray(row).tolist() == [[[5]]]
