"""How the heat of a map lies against boxes that readers drew on the film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Box, Size
from spark_cxr.images.heat import Grid, place

LONGER = 512
"""Pixels of the longer side, to which heat and boxes are brought: a nodule has a few of them."""
OVERLAP_AT = 0.5
"""Share of a film's strongest heat from which a pixel counts as marked."""
_TIES = 1e-6
"""Relative differences of heat that are rounding."""


@dataclass(frozen=True)
class BoxHeat:
    """What of a film's heat lies in the boxes of one finding."""

    hit: bool
    """The hottest point lies in a box; without any heat above 0 there is none."""
    inside: float
    """Share of the heat above 0 that lies in boxes."""
    area: float
    """Share of the film that the boxes cover: what `inside` would be by chance."""
    overlap: float
    """Intersection over union of the boxes and all that is hotter than half the hottest point."""


def heat_in_boxes(
    field: NDArray[np.float32], boxes: Sequence[Box], film_hw: Size, grid: Grid | None = None
) -> BoxHeat:
    """Hold a map against boxes on a film of this size; cells lie where `grid` says."""
    scale = LONGER / max(film_hw)
    size_hw = (max(1, round(film_hw[0] * scale)), max(1, round(film_hw[1] * scale)))
    heat, boxed = np.maximum(place(field, size_hw, grid), 0), covered(boxes, size_hw)
    whole, hottest, area = float(heat.sum(dtype=np.float64)), heat.max(), float(boxed.mean())
    if hottest <= 0:
        return BoxHeat(False, 0.0, area, 0.0)
    # At the rim of a film the hottest point is a line, and equal cells are several.
    is_hit = boxed[heat >= hottest * (1 - _TIES)].mean() > 0.5
    marked = heat >= OVERLAP_AT * hottest
    return BoxHeat(
        hit=bool(is_hit),
        inside=float(heat[boxed].sum(dtype=np.float64)) / whole,
        area=area,
        overlap=float((marked & boxed).sum() / (marked | boxed).sum()),
    )


def covered(boxes: Sequence[Box], size_hw: Size) -> NDArray[np.bool_]:
    """Mark the pixels of a film whose centres lie in a box."""
    down, across = ((np.arange(side) + 0.5) / side for side in size_hw)
    mask = np.zeros(size_hw, np.bool_)
    for box in boxes:
        rows = (down >= box.top) & (down < box.bottom)
        mask |= rows[:, None] & (across >= box.left) & (across < box.right)
    return mask
