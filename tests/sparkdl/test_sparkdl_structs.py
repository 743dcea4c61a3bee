"""Arrays, Pillow images and rows of the image schema, by hand-made bytes."""

import io

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import Row

from spark_cxr.sparkdl import imageIO

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


def test_a_row_from_anywhere_is_read_by_name():
    row = Row(mode=0, data=bytearray(b"\x05"), nChannels=1, width=1, height=1, origin="")
    assert imageIO.imageStructToArray(row).tolist() == [[[5]]]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, [255]),
        ("LA", (7, 9), [7, 7, 7, 9]),
        ("P", 0, [0, 0, 0]),
        ("CMYK", (0, 0, 0, 0), [255, 255, 255]),
    ],
)
def test_pillow_decodes_what_has_no_type_of_its_own(mode, colour, expected):
    stream = io.BytesIO()
    Image.new(mode, (2, 1), colour).save(stream, "TIFF" if mode == "CMYK" else "PNG")
    decoded = imageIO.PIL_decode(stream.getvalue())
    assert decoded[0, 0].tolist() == expected
    assert imageIO.imageArrayToStruct(decoded).nChannels == len(expected)


def test_a_decoder_resizes_by_the_nearest_pixel():
    stream = io.BytesIO()
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(stream, "PNG")
    small = imageIO.PIL_decode_and_resize((2, 1))(stream.getvalue())
    assert small[..., 0].tolist() == [[5, 7]]
