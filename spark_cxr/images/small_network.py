"""What the small networks share that look at a film before a model does: input and arithmetic.

They are run by numpy, a film at a time: without an engine, a plan or a file of a framework, and
with one answer whatever the engine and the precision of the model.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import WeightsError
from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import grey, resize

Floats = NDArray[np.float32]
MIDDLE, SPREAD = 127.5, 48.0
"""Mean and standard deviation of the greys that they are given."""
UNIT = 64.0
"""Greys that are one to them, as `normalise(films, "grey")` has it."""
_AT_ONCE = 2**18
"""Products that OpenBLAS makes in the thread that asks. For more it calls all cores, which wait for
each other longer than they work: lungs took 84 ms of processors instead of 6."""
_DEEP = 16
"""Maps from which on each place of a kernel is multiplied by itself: all places at once would make
the pieces of `_AT_ONCE` a few rows each, and took twice as long."""
LEAST_SPREAD = 2.0
"""Standard deviation of greys below which a picture shows nothing."""


def evened_view(pixels: Pixels, side: int) -> Pixels:
    """Give a picture as a square of greys of one mean and contrast: tint and tone do not count."""
    small = resize(pixels, (side, side))
    levels = (small if small.ndim == 2 else grey(small)).astype(np.float32)
    away = levels - levels.mean()
    spread = max(float(levels.std()), LEAST_SPREAD)
    return np.asarray(np.clip(away * (SPREAD / spread) + MIDDLE, 0, 255), np.uint8)


def as_input(view: Pixels) -> Floats:
    """Give a view as maps (height, width, 1)."""
    maps: Floats = ((view.astype(np.float32) - np.float32(MIDDLE)) / np.float32(UNIT))[..., None]
    return maps


def convolved(maps: Floats, kernel: Floats, stride: int = 1) -> Floats:
    """Convolve maps (height, width, in) with a kernel (height, width, in, out), without padding."""
    height, width, depth, out = kernel.shape
    windows = np.lib.stride_tricks.sliding_window_view(maps, (height, width), (0, 1))
    windows = windows[::stride, ::stride].transpose(0, 1, 3, 4, 2)
    found = np.zeros((windows.shape[0] * windows.shape[1], out), np.float32)
    if depth < _DEEP:
        _add_products(windows.reshape(len(found), -1), kernel.reshape(-1, out), found)
    else:
        for row, column in np.ndindex(height, width):
            places = windows[:, :, row, column].reshape(len(found), depth)
            _add_products(places, kernel[row, column], found)
    return found.reshape(*windows.shape[:2], out)


def _add_products(places: Floats, weights: Floats, found: Floats) -> None:
    step = max(1, _AT_ONCE // weights.size)
    for first in range(0, len(places), step):
        part = slice(first, first + step)
        found[part] += places[part] @ weights


def padded(maps: Floats, before: int, behind: int) -> Floats:
    """Put zeros around maps, as many above as on the left, and below as on the right."""
    return np.pad(maps, ((before, behind), (before, behind), (0, 0)))


def doubled(maps: Floats) -> Floats:
    """Make maps twice as large: each cell becomes four."""
    return maps.repeat(2, axis=0).repeat(2, axis=1)


def packed_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write the arrays of a network as npz."""
    stream, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez_compressed(stream, **named)
    return stream.getvalue()


def arrays_of(data: bytes) -> dict[str, Floats]:
    """Read what `packed_arrays` has written."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def read_shipped(file: Path, what: str) -> bytes:
    """Read the file of a network that lies in the package.

    Raises:
        WeightsError: It is gone, or cut.
    """
    try:
        data = file.read_bytes()
        arrays_of(data)
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        expected = f"{what} that ships with spark_cxr"
        raise WeightsError(expected, f"{file.name} ({error})", "Install spark_cxr again") from None
    return data
