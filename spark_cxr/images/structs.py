"""Rows of Spark's image schema → films: BGR bytes and an OpenCV type, without Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.errors import BadImage
from spark_cxr.images import java_scaling
from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import to_network
from spark_cxr.images.raster import over_black

FIELDS = ("height", "width", "nChannels", "mode", "data")
"""What a film consists of; `origin` only says where it comes from."""
INVALID = -1
"""What Spark's own reader writes into all numbers of an image that it could not decode."""
AVERAGING = ("SCALE_AREA_AVERAGING", "SCALE_SMOOTH")
"""Java uses the same filter for both."""
NEAREST = ("SCALE_DEFAULT", "SCALE_FAST", "SCALE_REPLICATE")
SCALE_HINTS = AVERAGING + NEAREST
PILLOW_NEAREST = "PILLOW_NEAREST"
"""How sparkdl's predictor resized: the nearest pixel by Pillow, not always the one Java takes."""


@dataclass(frozen=True)
class OcvType:
    """An OpenCV type that the image schema knows."""

    name: str
    ord: int
    channels: int
    dtype: str


TYPES = (
    OcvType("CV_8UC1", 0, 1, "uint8"),
    OcvType("CV_32FC1", 5, 1, "float32"),
    OcvType("CV_8UC3", 16, 3, "uint8"),
    OcvType("CV_32FC3", 21, 3, "float32"),
    OcvType("CV_8UC4", 24, 4, "uint8"),
    OcvType("CV_32FC4", 29, 4, "float32"),
)


@dataclass(frozen=True)
class StructPreparation:
    """How a struct becomes what the network takes."""

    scale_hint: str = ""
    """One of `SCALE_HINTS`, to resize as Java does, or Pillow's; empty: as films are resized."""
    lift_grey: bool = False
    """Whether to brighten one-channel images, as sparkdl's JVM code did by mistake."""


def type_of(array: NDArray[Any]) -> OcvType:
    """Find the OpenCV type of an array (height, width, channels)."""
    for kind in TYPES:
        if array.ndim == 3 and (kind.channels, kind.dtype) == (array.shape[2], str(array.dtype)):
            return kind
    expected = "Expected an array (height, width, channels), uint8 or float32, 1, 3 or 4 channels."
    way_out = "Cast it, or give it a last axis."
    raise ValueError(f"{expected} Received: shape={array.shape}, {array.dtype}. {way_out}")


def array_of(height: int, width: int, channels: int, mode: int, data: bytes) -> NDArray[Any]:
    """Give the array that a struct holds, channels in its order (blue first).

    Raises:
        BadImage: the numbers and the bytes do not fit each other.
    """
    kind = next((each for each in TYPES if each.ord == mode), None)
    if kind is None or kind.channels != channels:
        raise BadImage("corrupt", f"image struct of mode {mode} with {channels} channels")
    size = height * width * channels * np.dtype(kind.dtype).itemsize
    if height < 1 or width < 1 or len(data) != size:
        raise BadImage("corrupt", f"image struct {width} x {height}, {len(data)} bytes")
    return np.frombuffer(data, kind.dtype).reshape(height, width, channels)


def to_film(
    row: Sequence[Any], size_hw: tuple[int | None, int | None], preparing: StructPreparation
) -> Pixels:
    """Turn the fields of a struct into what the network takes: red first, at its size.

    A side of None keeps the length that it has.

    Raises:
        BadImage: null, marked as invalid by Spark's reader, or not to be understood.
    """
    if row[-1] is None or row[0] != row[0] or row[0] in (None, INVALID):
        raise BadImage("not_an_image", "a null or invalid image struct")
    height, width, channels, mode = (int(number) for number in row[:-1])
    array = array_of(height, width, channels, mode, bytes(row[-1]))
    if array.dtype != np.uint8:
        raise BadImage("corrupt", "an image struct of floating-point numbers")
    if channels == 1 and preparing.lift_grey:
        array = lifted(array)
    size = (size_hw[0] or height, size_hw[1] or width)
    if preparing.scale_hint in SCALE_HINTS:
        is_nearest = preparing.scale_hint in NEAREST
        array = (java_scaling.nearest if is_nearest else java_scaling.averaged)(array, size)
    if channels == 4:  # what is transparent lies on black, as everywhere in spark_cxr
        array = over_black(array)
    pixels = array[..., 0] if channels == 1 else np.ascontiguousarray(array[..., ::-1])
    if preparing.scale_hint == PILLOW_NEAREST:
        small = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.NEAREST)
        pixels = np.array(small)
    return to_network(pixels, size)


def lifted(grey: Pixels) -> Pixels:
    """Apply the transfer function of sRGB to grey levels that had it already: 64 becomes 137.

    What Java's colour conversion did to one-channel images, which it took for linear light.
    """
    levels = np.arange(256) / 255
    curve = np.where(levels <= 0.0031308, 12.92 * levels, 1.055 * levels ** (1 / 2.4) - 0.055)
    table: Pixels = np.floor(curve * 255 + 0.5).astype(np.uint8)
    return table[grey]
