"""Resizing as scikit-image does by default, which torchxrayvision's networks were made with.

A Gaussian blurs what is to shrink, then bilinear interpolation picks the new pixels. Both see mid
grey beyond the border of the film: torchxrayvision has scaled films to -1024 ... 1024 by then, and
pads with 0. So the outermost pixels of a black border come out a little brighter. Both steps are
linear and work on one axis after the other, so here they are one weighted sum an axis.
"""

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels, Size
from spark_cxr.images.prepare import Taps, weighed

_BEYOND = 127.5
"""The level beyond the border: the middle between black and white."""
_TRUNCATE = 4.0
"""How many standard deviations of the Gaussian are kept."""


def gaussian_levels(pixels: Pixels, size_hw: Size) -> NDArray[np.float64]:
    """Resize to levels that are not rounded; no level lies outside of those of the film."""
    height, width = size_hw
    tall = _along_first_axis(pixels, height)
    wide = _along_first_axis(tall.swapaxes(0, 1), width).swapaxes(0, 1)
    levels: NDArray[np.float64] = wide.clip(pixels.min(), pixels.max())
    return levels


def _along_first_axis(lines: NDArray[np.generic], length: int) -> NDArray[np.float64]:
    taps = _taps(len(lines), length)
    sums: NDArray[np.float64] = weighed(np.ascontiguousarray(lines), taps, np.float64)
    beyond = _BEYOND * (1 - taps.weights.sum(axis=0))
    sums += beyond.reshape(-1, *[1] * (lines.ndim - 1))
    return sums


def _taps(length: int, new_length: int) -> Taps:
    """Blur, then interpolate; what lies beyond the border has no weight here."""
    centres = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
    lower = np.floor(centres).astype(np.intp)
    share = centres - lower
    kernel = _kernel(max(0.0, (length / new_length - 1) / 2))
    radius = len(kernel) // 2
    first = np.maximum(lower - radius, 0)
    at = first + np.arange(len(kernel) + 1)[:, None]
    weights = np.zeros(at.shape)
    for line, part in ((lower, 1 - share), (lower + 1, share)):
        inside = (line >= 0) & (line < length)
        distance = at - line + radius
        known = (distance >= 0) & (distance < len(kernel)) & inside
        weights += np.where(known, kernel[np.clip(distance, 0, len(kernel) - 1)], 0) * part
    return Taps(first, np.where(at < length, weights, 0), 1)


def _kernel(sigma: float) -> NDArray[np.float64]:
    radius = int(_TRUNCATE * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    exponents = -0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2
    kernel = np.exp(exponents)
    return np.asarray(kernel / kernel.sum())
