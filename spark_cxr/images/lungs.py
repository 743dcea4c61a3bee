"""Where the lungs of a frontal chest film lie.

A small network of the form of a U-Net learned it (`benchmarks/lungs`), from outlines in V7's convex
convention: with the part behind the heart. It serves to check whether a heat map keeps to the lungs
and to show a model the lungs alone, and is no measurement of a lung. What it was learned from and
what it is worth stands in `embedded/LUNGS.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Box, Pixels, Size
from spark_cxr.images.gate import is_chest_film
from spark_cxr.images.prepare import resize
from spark_cxr.images.small_network import (
    Floats,
    arrays_of,
    as_input,
    convolved,
    doubled,
    evened_view,
    packed_arrays,
    padded,
    read_shipped,
)

SIDE, CELLS = 128, 64
"""Of the film as the network sees it, and of what it gives."""
DOWN, UP = ("down1", "down2", "down3", "down4"), ("up3", "up2", "up1")
DEEP, LAST = "deep", "last"
LAYERS = (*DOWN, DEEP, *UP, LAST)
FILE = Path(__file__).parent / "embedded" / "lungs.npz"


LEAST_SHARE, MOST_SHARE = 0.08, 0.75
"""Of a film that its lungs take; what is beyond is no outline of lungs."""
SPECK = 0.2
"""Of the largest part that is marked, below which another is no lung."""
LEAST_CERTAINTY = 0.85
"""See `LungFields.is_sure`."""


@dataclass(frozen=True)
class LungFields:
    """The lungs of a film, on `CELLS` x `CELLS` cells that cover all of it."""

    shares: Floats
    """How likely each cell lies on a lung."""

    def mask(self, size_hw: Size) -> NDArray[np.bool_]:
        """Mark them on a film of this size."""
        return np.asarray(resize(np.rint(255 * self.shares).astype(np.uint8), size_hw) > 127)

    @property
    def share(self) -> float:
        """Say how much of the film they take."""
        return float((self.shares > 0.5).mean())

    @property
    def box(self) -> Box:
        """Frame them, in shares of the film."""
        rows, columns = (np.flatnonzero((self.shares > 0.5).any(axis=axis)) for axis in (1, 0))
        ends = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        return Box(*(float(end / CELLS) for end in ends))

    @property
    def certainty(self) -> float:
        """Say how sure the outline is: the mean likelihood of the cells that are marked."""
        marked = self.shares > 0.5
        return float(self.shares[marked].mean()) if marked.any() else 0.0

    @property
    def is_sure(self) -> bool:
        """Tell an outline to rely on from one that may be none."""
        is_likely = LEAST_SHARE <= self.share <= MOST_SHARE
        return is_likely and self.certainty >= LEAST_CERTAINTY


@dataclass(frozen=True)
class LungNetwork:
    """Kernel (height, width, in, out) and bias of each of `LAYERS`."""

    layers: Mapping[str, tuple[Floats, Floats]]

    def shares(self, view: Pixels) -> Floats:
        """Say of each cell how likely it lies on a lung; `view` is what `lung_view` gives."""
        maps, beside = as_input(view), []
        for name in DOWN:
            maps = self._layer(name, padded(maps, 0, 1), 2)
            beside.append(maps)
        maps = self._layer(DEEP, padded(maps, 1, 1))
        for name, before in zip(UP, beside[-2::-1], strict=True):
            maps = np.concatenate([doubled(maps), before], axis=2)
            maps = self._layer(name, padded(maps, 1, 1))
        kernel, bias = self.layers[LAST]
        margins = (convolved(maps, kernel) + bias)[..., 0]
        return np.asarray(1 / (1 + np.exp(-np.clip(margins, -30, 30))), np.float32)

    def _layer(self, name: str, maps: Floats, stride: int = 1) -> Floats:
        kernel, bias = self.layers[name]
        return np.asarray(np.maximum(convolved(maps, kernel, stride) + bias, 0), np.float32)

    def pack(self) -> bytes:
        """Write it as npz, in half precision."""
        arrays = {
            f"{name}.{part}": array.astype(np.float16)
            for name, layer in self.layers.items()
            for part, array in zip(("kernel", "bias"), layer, strict=True)
        }
        return packed_arrays(arrays)


def unpack(data: bytes) -> LungNetwork:
    """Read what `pack` has written."""
    arrays = arrays_of(data)
    return LungNetwork(
        {name: (arrays[f"{name}.kernel"], arrays[f"{name}.bias"]) for name in LAYERS}
    )


def find_lungs(pixels: Pixels, is_film: bool | None = None) -> LungFields | None:
    """Find the lungs of a film, of any size, grey or in colour; None where none are to be seen.

    Nor are they looked for on a picture that is no frontal chest film: `is_film` says what the gate
    has said of it, where it was asked before.
    """
    if not (is_chest_film(pixels) if is_film is None else is_film):
        return None
    lungs = lungs_of(_shipped(), pixels)
    return lungs if lungs.is_sure else None


def lungs_of(network: LungNetwork, pixels: Pixels) -> LungFields:
    """Say what a network takes for the lungs of a film, sure or not."""
    return LungFields(_without_specks(network.shares(lung_view(pixels))))


def _without_specks(shares: Floats) -> Floats:
    """Leave out what is marked apart from the lungs, such as air above a shoulder."""
    parts = _parts(shares > 0.5)
    cells = np.bincount(parts.ravel())
    cells[0] = 0  # what is not marked
    small = cells < SPECK * cells.max()
    return np.where((parts > 0) & small[parts], np.float32(0), shares)


def _parts(marked: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number the parts that hang together: each cell takes the highest number beside it."""
    numbers = np.where(marked, np.arange(1, marked.size + 1).reshape(marked.shape), 0)
    while True:
        wide = np.pad(numbers, 1)
        beside = (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:])
        grown = np.where(marked, np.maximum.reduce([numbers, *beside]), 0)
        if np.array_equal(grown, numbers):
            return np.asarray(numbers, np.intp)
        numbers = grown


def lung_view(pixels: Pixels) -> Pixels:
    """Give a film as the network sees it."""
    return evened_view(pixels, SIDE)


@cache
def _shipped() -> LungNetwork:
    return unpack(read_shipped(FILE, "the network of lungs"))
