"""How films look at another drawn hospital: to see what a model of the first makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spark_cxr.phantoms.drawing import Drawing

Levels = NDArray[np.int64]
HOSPITALS = (1, 2)
WHITE = 4095
SEEDS_APART = 1_000_003
"""What the number of a hospital adds to the seed: no two share a patient."""


def seed_at(hospital: int, seed: int) -> int:
    """Give the seed from which the patients of a hospital are drawn."""
    return seed + SEEDS_APART * (hospital - 1)


def source_of_hospital(hospital: int) -> str:
    """Name a hospital as the source of its films."""
    return "phantom" if hospital == 1 else f"phantom {hospital}"


def as_taken_at(hospital: int, drawing: Drawing) -> Drawing:
    """Give a film the look of a hospital; the first leaves it as it is drawn.

    At the second a flatter tone, fog, a softer detector, and a dark rim where the field was
    collimated. Whole numbers only, so that the bytes are the same on any machine.
    """
    if hospital == 1:
        return drawing
    levels = drawing.grey12.astype(np.int64)
    toned = WHITE * (levels * 8) // (levels * 3 + WHITE * 5)
    soft = _softened(toned * 3 // 4 + 500)
    height, width = soft.shape
    rim_y, rim_x = height // 25, width // 14
    soft[:rim_y] = soft[height - rim_y :] = 60
    soft[:, :rim_x] = soft[:, width - rim_x :] = 60
    return replace(drawing, grey12=np.clip(soft, 0, WHITE).astype(np.uint16))


def _softened(levels: Levels) -> Levels:
    """Average each pixel with its eight neighbours."""
    padded = np.pad(levels, 1, mode="edge")
    height, width = levels.shape
    parts = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    total: Levels = np.stack(parts).sum(axis=0)
    return total // 9
