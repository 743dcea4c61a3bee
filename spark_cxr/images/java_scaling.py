"""What Java's `Image.getScaledInstance` makes of pixels, bit for bit: sparkdl resized with it.

Java enlarges by areas too, so that pixels become blocks. It adds up single precision, row by row:
where the exact average lies very near the middle of two levels, its sum may fall to the other side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import Taps, area_taps, averages

_ROUNDING = 2.0**-24
"""Of one operation in single precision, relative to its result."""


def averaged(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """Resize as with SCALE_AREA_AVERAGING and SCALE_SMOOTH, which are one filter.

    Of four channels the last is alpha, by which Java weighs the colours.
    """
    down, across = (area_taps(old, new) for old, new in zip(pixels.shape, size_hw, strict=False))
    if pixels.shape[2:] == (4,):
        return _averaged_with_alpha(pixels, down, across)
    above = averages(pixels, down, across) + 0.5
    made: Pixels = above.astype(np.uint8)
    # A rounding for each neighbour, and four for their weight, the total and the division.
    slack = 255 * (len(down.weights) * len(across.weights) + 4) * _ROUNDING
    unsure = np.nonzero(np.abs(above - np.rint(above)) <= slack)
    sums = _sums_in_single_precision(pixels, unsure, down, across)
    made[unsure] = _rounded(sums / (np.float32(across.total) * np.float32(down.total)))
    return np.ascontiguousarray(made)


def nearest(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """Resize as with the other hints: take the pixel below each cell's centre."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size_hw, pixels.shape, strict=False)
    )
    return np.ascontiguousarray(pixels[rows][:, columns])


def _averaged_with_alpha(pixels: Pixels, down: Taps, across: Taps) -> Pixels:
    """Average colours times alpha, and divide by the alpha of each position afterwards."""
    alpha = pixels[..., 3:].astype(np.float32)
    weighed = np.concatenate([pixels[..., :3] * (alpha / np.float32(255)), alpha], axis=2)
    shape = (len(down.first), len(across.first), 4)
    everywhere = tuple(np.indices(shape).reshape(3, -1))
    sums = _sums_in_single_precision(weighed, everywhere, down, across).reshape(shape)
    total = np.float32(across.total) * np.float32(down.total)
    opacity = _rounded(sums[..., 3:] / total)
    is_partial = (opacity > 0) & (opacity < 255)
    divisors = np.where(is_partial, sums[..., 3:] / np.float32(255), total)
    return np.concatenate([_rounded(sums[..., :3] / divisors), opacity], axis=2)


def _sums_in_single_precision(
    pixels: NDArray[Any], where: tuple[NDArray[np.intp], ...], down: Taps, across: Taps
) -> NDArray[np.float32]:
    """Add up the neighbours of some positions of the result as Java does, one after another."""
    (rows, columns), channels = where[:2], where[2:]
    sums = np.zeros(len(rows), np.float32)
    for i, heights in enumerate(down.weights[:, rows].astype(np.float32)):
        row = np.minimum(down.first[rows] + i, len(pixels) - 1)
        for j, widths in enumerate(across.weights[:, columns].astype(np.float32)):
            column = np.minimum(across.first[columns] + j, pixels.shape[1] - 1)
            sums += widths * heights * pixels[row, column, *channels].astype(np.float32)
    return sums


def _rounded(levels: NDArray[np.floating[Any]]) -> Pixels:
    """Round as Java's Math.round does, halves up, into what a byte holds."""
    return np.clip(np.floor(levels.astype(np.float64) + 0.5), 0, 255).astype(np.uint8)
