"""No network: a seeded projection of a coarse picture. Fast, and never to be taken for more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines.plan import Mapped, Plan, Used

CELLS = 16
"""The film is averaged down to 16 x 16 grey cells before it is projected."""
SEED = 20_170_606


@dataclass(frozen=True)
class FakeEngine:
    """Projects pooled pixels: near films get near vectors, as with a real network."""

    projection: NDArray[np.float32]
    used: Used

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Average to cells, take out the film's own exposure, project."""
        # Film by film: in one product the last bits of a film would depend on its neighbours.
        rows = [film @ self.projection for film in _centred_cells(batch)]
        return np.asarray(rows, dtype=np.float32).reshape(len(batch), -1)

    @property
    def mapper(self) -> FakeEngine:
        """Give the same."""
        return self

    def maps(self, batch: NDArray[np.uint8]) -> Mapped:
        """Give what each cell adds to each feature, so that a feature is the mean of its map."""
        added = _centred_cells(batch)[:, None] * (self.projection.T * np.float32(CELLS * CELLS))
        return Mapped(self.features(batch), added.reshape(*added.shape[:2], CELLS, CELLS))


def _centred_cells(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    count, height, width, _ = batch.shape
    cells = batch.reshape(count, CELLS, height // CELLS, CELLS, width // CELLS, 3)
    coarse = cells.mean(axis=(2, 4, 5), dtype=np.float32).reshape(count, -1) / np.float32(255)
    return np.asarray(coarse - coarse.mean(axis=1, keepdims=True))


def load(plan: Plan) -> FakeEngine:
    """Draw the projection; the same in every process."""
    dim = catalog.get(plan.network.backbone).dim
    drawn = np.random.default_rng(SEED).standard_normal((CELLS * CELLS, dim))
    used = Used("fake", "cpu", "f32", 1, plan.at_once)
    return FakeEngine(np.asarray(drawn / CELLS, dtype=np.float32), used)


load_mapper = load
