"""The head of a fine-tuned network: dense layers with ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.heads.portable.layers import Layers
from spark_cxr.heads.portable.links import Floats


@dataclass(frozen=True)
class Dense(Layers):
    """Dense layers with ReLU between them, the last one with softmax."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def unit(self, sums: Floats) -> Floats:
        """Let through what is above 0."""
        return np.maximum(sums, 0)

    def slope(self, values: Floats) -> Floats:
        """Be 1 where something came through."""
        return (values > 0).astype(np.float64)
