"""Lungs, corners and border of a film, and how much of a heat map lies in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.altered import border_only, without_corners
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, place
from spark_cxr.images.lungs import LungFields, find_lungs
from spark_cxr.images.prepare import resize

SIDE = 80
"""Cells a side that regions are laid out on: a tenth of it are 8, three twentieths 12."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shares:
    """Parts of something on a film, each between 0 and 1; border and corners overlap."""

    lungs: float | None
    """None where it is not known where they are."""
    corners: float
    border: float


def shares_of(
    field: NDArray[np.float32], lungs: Mask | None, grid: Grid | None = None
) -> Shares | None:
    """Say where the heat above 0 of a map lies; None where there is none."""
    heat = np.maximum(place(field, (SIDE, SIDE), grid), 0)
    whole = float(heat.sum())
    if whole <= 0:
        return None
    inside = None if lungs is None else float(heat[lungs].sum()) / whole
    return Shares(inside, float(heat[CORNERS].sum()) / whole, float(heat[EDGE].sum()) / whole)


@dataclass(frozen=True)
class LungHeat:
    """How much of a map's heat lies on the lungs, beside what would by chance."""

    share: float
    area: float
    """Of the film that the lungs take."""


def heat_on(
    lungs: LungFields | None, field: NDArray[np.float32], grid: Grid | None = None
) -> LungHeat | None:
    """Measure the heat above 0 on the lungs; None without lungs, or without heat."""
    cells = lungs.mask((SIDE, SIDE)) if lungs else None
    shares = shares_of(field, cells, grid)
    if cells is None or shares is None or shares.lungs is None:
        return None
    return LungHeat(shares.lungs, float(cells.mean()))


def cells_of(mask: Pixels) -> Mask:
    """Bring a mask of a film to the cells: those that it marks for the greater part."""
    grey = mask if mask.ndim == 2 else mask.max(axis=2)
    marked = np.where(grey > 127, np.uint8(255), np.uint8(0))
    return np.asarray(resize(marked, (SIDE, SIDE)) > 127)


_ALL = np.full((SIDE, SIDE), 255, np.uint8)
CORNERS, EDGE = without_corners(_ALL) == 0, border_only(_ALL) > 0


def lungs_in_cells(film: Pixels) -> Mask | None:
    """Find the lungs of a film, of any size and shape, on the cells of this file; None: unsure."""
    lungs = find_lungs(film)
    return lungs.mask((SIDE, SIDE)) if lungs else None
