"""Lungs, corners and border of a film, and how much of a heat map lies in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.altered import BORDER, CORNER
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, place
from spark_cxr.images.prepare import resize

SIDE = 80
"""Cells a side on which regions are told apart: a tenth of it are 8, three twentieths 12."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shares:
    """Parts of something on a film, each between 0 and 1; border and corners overlap."""

    lungs: float
    corners: float
    border: float


def shares_of(field: NDArray[np.float32], lungs: Mask, grid: Grid | None = None) -> Shares | None:
    """Say where the heat above 0 of a map lies; None where there is none."""
    heat = np.maximum(place(field, (SIDE, SIDE), grid), 0)
    whole = float(heat.sum())
    if whole <= 0:
        return None
    parts = (float(heat[region].sum()) / whole for region in (lungs, CORNERS, EDGE))
    return Shares(*parts)


def areas_of(lungs: Mask) -> Shares:
    """Say what the shares would be if heat were the same everywhere."""
    return Shares(*(float(region.mean()) for region in (lungs, CORNERS, EDGE)))


def cells_of(mask: Pixels) -> Mask:
    """Bring a mask of a film to the cells: those that it marks for the greater part."""
    grey = mask if mask.ndim == 2 else mask.max(axis=2)
    marked = np.where(grey > 127, np.uint8(255), np.uint8(0))
    return np.asarray(resize(marked, (SIDE, SIDE)) > 127)


def _corners() -> Mask:
    reach, found = round(SIDE * CORNER), np.zeros((SIDE, SIDE), np.bool_)
    ends = (slice(None, reach), slice(-reach, None))
    for rows in ends:
        for columns in ends:
            found[rows, columns] = True
    return found


def _edge() -> Mask:
    reach, found = round(SIDE * BORDER), np.ones((SIDE, SIDE), np.bool_)
    found[reach:-reach, reach:-reach] = False
    return found


CORNERS, EDGE = _corners(), _edge()
