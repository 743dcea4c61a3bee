"""The one resize of the project, and the form in which networks take a film.

Shrinking averages areas exactly, with fractional coverage at the edges of each cell (what
sparkdl's SCALE_AREA_AVERAGING does; Pillow's BOX filter weighs whole pixels by where their
centres lie, which is not the same). Growing interpolates linearly between pixel centres. Each
axis chooses for itself; nothing is cropped and the aspect ratio is not kept.

All weights are whole numbers and all sums stay exact, so that a film has the same bytes on
every machine.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels

_EXACT_IN_FLOAT32 = 2**24
_LONG_SUM = 4
"""Lines to an output line from which it is cheaper to add them up as whole numbers first."""
_BAND = 2**15
"""Samples worked on at a time: larger temporaries come as fresh pages, up to 7 times slower."""
_LUMA = np.array((0.299, 0.587, 0.114))


@dataclass(frozen=True)
class Taps:
    """Which neighbours make up each output position of one axis, and how much each counts."""

    first: NDArray[np.intp]
    """The first neighbour of each output position."""
    weights: NDArray[np.float64]
    """Row j holds the weights of neighbour first + j; whole numbers, but for a Gaussian's."""
    total: int
    """The sum of the weights of any output position."""


def area_taps(length: int, new_length: int) -> Taps:
    """Average the pixels that each output position covers, wholly or in part."""
    # Measured in units of 1 / new_length of an input pixel, every edge is a whole number.
    edges = np.arange(new_length + 1) * length
    first = edges[:-1] // new_length
    count = int((-(-edges[1:] // new_length) - first).max())
    starts = (first + np.arange(count)[:, None]) * new_length
    cover = np.minimum(edges[1:], starts + new_length) - np.maximum(edges[:-1], starts)
    return Taps(first, np.maximum(cover, 0).astype(np.float64), length)


def _linear_taps(length: int, new_length: int) -> Taps:
    """Interpolate between pixel centres; beyond the outermost centres their value holds on."""
    unit = 2 * new_length
    centres = (2 * np.arange(new_length) + 1) * length - new_length
    centres = np.clip(centres, 0, (length - 1) * unit)
    first, rest = centres // unit, centres % unit
    return Taps(first, np.stack([unit - rest, rest]).astype(np.float64), unit)


def weighed(array: NDArray[Any], taps: Taps, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Sum weighted neighbours along the first axis, a band of output lines at a time."""
    lines, weights = array.reshape(len(array), -1), taps.weights.astype(dtype)[:, :, None]
    sums = np.empty((len(taps.first), lines.shape[1]), dtype)
    step = max(1, _BAND // lines.shape[1])
    product = np.empty((step, lines.shape[1]), dtype)
    for start in range(0, len(sums), step):
        band, here = sums[start : start + step], slice(start, start + step)
        first, part = taps.first[here], product[: len(band)]
        np.multiply(lines[first], weights[0, here], out=band)
        for j in range(1, len(weights)):
            neighbours = lines[np.minimum(first + j, len(lines) - 1)]
            np.multiply(neighbours, weights[j, here], out=part)
            band += part
    return sums.reshape(len(sums), *array.shape[1:])


def resize(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """Resize to height and width; grey stays grey, a film of the right size is handed back."""
    if pixels.shape[:2] == tuple(size_hw):
        return pixels
    levels = resized_levels(pixels, size_hw)
    levels += 0.5
    # Cast, which rounds down, before the copy into rows: that is eight times less to move.
    return np.ascontiguousarray(levels.astype(np.uint8))


def resized_levels(pixels: Pixels, size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Give what `resize` rounds."""
    down, across = (
        (_linear_taps if new > old else area_taps)(old, new)
        for old, new in zip(pixels.shape, size_hw, strict=False)
    )
    return averages(pixels, down, across)


def _summed(pixels: Pixels, taps: Taps) -> NDArray[np.float32]:
    """Do what `weighed` does, for areas of many lines: add them up, and take off what is too much.

    Only the outermost lines of an area count in part, so the others need no multiplication.
    """
    lines, full = pixels.reshape(len(pixels), -1), np.float32(taps.weights.max())
    counts = np.count_nonzero(taps.weights, axis=0)
    first, last = taps.first, taps.first + counts - 1
    kind = np.uint16 if 255 * counts.max() < 2**16 else np.uint32
    sums = np.empty((len(counts), lines.shape[1]), kind)
    for top, bottom, total in zip(first, last + 1, sums, strict=True):
        np.add.reduce(lines[top:bottom], axis=0, dtype=kind, out=total)
    tall: NDArray[np.float32] = np.multiply(sums, full, dtype=np.float32)
    ends = taps.weights[counts - 1, np.arange(len(counts))]
    for edge, weights in ((first, taps.weights[0]), (last, ends)):
        tall -= lines[edge] * (full - weights.astype(np.float32))[:, None]
    return tall.reshape(len(tall), *pixels.shape[1:])


def averages(pixels: Pixels, down: Taps, across: Taps) -> NDArray[np.float64]:
    """Weigh the neighbours along both axes; exact but for the rounding of the last division."""
    lines = len(down.weights)
    if lines > _LONG_SUM and 255 * lines * down.weights.max() < _EXACT_IN_FLOAT32:
        tall: NDArray[Any] = _summed(pixels, down)
    else:
        is_exact = 255 * down.total < _EXACT_IN_FLOAT32
        tall = weighed(pixels, down, np.float32 if is_exact else np.float64)
    # Turned round so that both passes add whole contiguous rows.
    turned = np.ascontiguousarray(tall.swapaxes(0, 1))
    wide = weighed(turned, across, np.float64).swapaxes(0, 1)
    levels: NDArray[np.float64] = wide / (down.total * across.total)
    return levels


def scaled(pixels: Pixels, longest: int) -> Pixels:
    """Resize so that the longer side has `longest` pixels, the aspect kept."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    return resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))


def shrunk(values: NDArray[np.uint16], longest: int) -> NDArray[np.uint16]:
    """Average values of up to 16 bits so that neither side is longer than `longest`."""
    height, width = values.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return values
    down, across = (area_taps(length, max(1, round(length * scale))) for length in (height, width))
    tall = weighed(values, down, np.float32)
    wide = weighed(np.ascontiguousarray(tall.T), across, np.float32).T
    wide /= np.float32(down.total) * np.float32(across.total)
    return np.ascontiguousarray(np.rint(wide).astype(np.uint16))


def to_network(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """Resize and give three channels: grey is repeated, colour stays."""
    return in_three_channels(resize(pixels, size_hw))


def in_three_channels(pixels: NDArray[Any]) -> NDArray[Any]:
    """Repeat grey; colour stays."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def grey(pixels: Pixels) -> Pixels:
    """Give the brightness of films (…, 3) as (…); three equal channels are their grey exactly."""
    red, green, blue = (pixels[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    levels = pixels @ _LUMA
    whole = np.rint(levels) if pixels.dtype == np.uint8 else levels
    return np.asarray(whole, dtype=pixels.dtype)


def to_channels(films: Pixels, channels: int) -> Pixels:
    """Give films (n, height, width, 3) as a network takes them: in colour, or in one of grey."""
    return films if channels == 3 else grey(films)[..., None]
