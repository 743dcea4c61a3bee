"""Whether a picture is a frontal chest film: asked of the picture alone, whatever the model.

A small network learned it once (`benchmarks/gate`): six convolutions over 64 x 64 greys, half a
millisecond a film. What it was learned from and what it is worth stands in `embedded/GATE.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spark_cxr.images.film import Pixels
from spark_cxr.images.small_network import (
    Floats,
    arrays_of,
    as_input,
    convolved,
    evened_view,
    packed_arrays,
    read_shipped,
)

SIDE = 64
"""Of the picture as the gate sees it."""
STRIDES = (2, 2, 1, 2, 1, 1)
FILE = Path(__file__).parent / "embedded" / "gate.npz"


@dataclass(frozen=True)
class GateNetwork:
    """The network: convolutions without padding, and one margin at the end."""

    kernels: tuple[Floats, ...]
    """(height, width, in, out) of each layer; the last leaves one place."""
    biases: tuple[Floats, ...]
    weights: Floats
    bias: float
    limit: float
    """The margin from which a picture is taken for a chest film."""

    def margin(self, view: Pixels) -> float:
        """Say how much speaks for a chest film; `view` is what `gate_view` gives."""
        maps = as_input(view)
        for kernel, bias, stride in zip(self.kernels, self.biases, STRIDES, strict=True):
            maps = np.maximum(convolved(maps, kernel, stride) + bias, 0)
        return float(maps.reshape(-1) @ self.weights) + self.bias

    def pack(self) -> bytes:
        """Write it as npz, in half precision."""
        arrays = {f"kernel{i}": kernel for i, kernel in enumerate(self.kernels)}
        arrays |= {f"bias{i}": bias for i, bias in enumerate(self.biases)}
        halves = {name: array.astype(np.float16) for name, array in arrays.items()}
        stored: dict[str, Any] = {**halves, "weights": self.weights}
        stored |= {"bias": np.float32(self.bias), "limit": np.float32(self.limit)}
        return packed_arrays(stored)


def unpack(data: bytes) -> GateNetwork:
    """Read what `pack` has written."""
    arrays, layers = arrays_of(data), range(len(STRIDES))
    return GateNetwork(
        kernels=tuple(arrays[f"kernel{i}"] for i in layers),
        biases=tuple(arrays[f"bias{i}"] for i in layers),
        weights=arrays["weights"],
        bias=float(arrays["bias"]),
        limit=float(arrays["limit"]),
    )


def is_chest_film(pixels: Pixels) -> bool:
    """Tell a frontal chest film from all other pictures; grey or in colour, of any size."""
    gate = _shipped()
    return gate.margin(gate_view(pixels)) >= gate.limit


@cache
def _shipped() -> GateNetwork:
    return unpack(read_shipped(FILE, "the gate"))


def gate_view(pixels: Pixels) -> Pixels:
    """Give a picture as the gate sees it."""
    return evened_view(pixels, SIDE)
