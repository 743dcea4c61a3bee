"""Lungs, corners and border of a film, and how much of a heat map lies in each.

Where the lungs are is an estimate of our own: dark fields in a bright chest, without a network or
an atlas. The film is shrunk, in each row the chest wall and the mediastinum are the brightest
places on either side of the lung, and what is dark between them is grown from where lungs surely
are, within where they may be. It serves to check whether a heat map keeps to the lungs, and no
measurement of a lung.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.altered import border_only, without_corners
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, place
from spark_cxr.images.prepare import resize

SIDE = 80
"""Cells a side that regions are laid out on: a tenth of it are 8, three twentieths 12."""
Mask = NDArray[np.bool_]
_CENTRES = ((0.46, 0.29), (0.46, 0.71))
"""Down and across, of the lungs on a film of a whole chest."""
_CORE, _REACH = (0.20, 0.09), (0.50, 0.28)
"""Half axes of ellipses: where lungs surely are, and beyond which they are not."""
_UPWARDS = 0.76
"""Of the reach above its centre: beyond are shoulders."""
_USUAL = (0.33, 0.17)
"""Of what stands for a lung where none is found."""
_LEAST, _MOST = 0.25, 1.9
"""Cells of a lung, in shares of the usual ellipse, between which an estimate is believed."""


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


_ALL = np.full((SIDE, SIDE), 255, np.uint8)
CORNERS, EDGE = without_corners(_ALL) == 0, border_only(_ALL) > 0


def estimate_lungs(film: Pixels) -> Mask:
    """Estimate the lung fields of a film, of any size and shape, on the cells of this file."""
    grey = film if film.ndim == 2 else film.mean(axis=2).astype(np.uint8)
    small = _smooth(resize(grey, (SIDE, SIDE)).astype(np.float32))
    # The darkest and brightest hundredth are letters and collimator, not chest.
    low, high = np.quantile(small, (0.01, 0.99))
    small = np.clip((small - low) / max(high - low, 1), 0, 1)
    found = np.zeros((SIDE, SIDE), np.bool_)
    for centre in _CENTRES:
        found |= _lung(small, centre)
    return found


def _lung(small: NDArray[np.float32], centre: tuple[float, float]) -> Mask:
    """Grow one lung, at the threshold that parts dark and bright where it may lie."""
    reach, core = _ellipse(centre, _REACH, _UPWARDS), _ellipse(centre, _CORE)
    between = reach & _between_walls(small, centre[1])
    dark = between & (small < _otsu(small[between]))
    grown = _grown(core & dark, _opened(dark))
    # One cell wider: the rim of a lung is as bright as half its wall.
    found = _spread(_closed(_narrowing(_filled(grown)))) if grown.any() else grown
    usual = _ellipse(centre, _USUAL)
    share = found.sum() / usual.sum()
    return found if _LEAST <= share <= _MOST else usual


def _smooth(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take ribs and noise out: means of 3 x 3, twice."""
    for _ in range(2):
        padded = np.pad(small, 1, mode="edge")
        rows = padded[:-2] + padded[1:-1] + padded[2:]
        small = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return small


def _ellipse(centre: tuple[float, float], axes: tuple[float, float], upwards: float = 1.0) -> Mask:
    """Mark an ellipse; `upwards` shortens its upper half."""
    at = (np.arange(SIDE) + 0.5) / SIDE
    down, across = (((at - c) / a) ** 2 for c, a in zip(centre, axes, strict=True))
    down = np.where(at < centre[0], down / upwards**2, down)
    return np.asarray(down[:, None] + across[None] <= 1)


def _between_walls(small: NDArray[np.float32], across: float) -> Mask:
    """Find for each row the brightest cells outside and inside of a lung's darkest one."""
    middle, is_right = SIDE // 2, across > 0.5
    half = small[:, middle:] if is_right else small[:, :middle][:, ::-1]
    # From the midline outwards; the darkest cell is sought where the core of the lung lies.
    first, last = (round((abs(across - 0.5) + sign * _CORE[1]) * SIDE) for sign in (-1, 1))
    darkest = first + half[:, first:last].argmin(axis=1)
    at = np.arange(middle)
    inner = np.where(at <= darkest[:, None], half, -1).argmax(axis=1)
    outer = np.where(at >= darkest[:, None], half, -1).argmax(axis=1)
    inner, outer = _median(inner), _median(outer)
    found = (at > inner[:, None]) & (at < outer[:, None])
    whole = np.zeros((SIDE, SIDE), np.bool_)
    whole[:, middle:] = found if is_right else False
    whole[:, :middle] |= np.False_ if is_right else found[:, ::-1]
    return whole


def _median(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Let each row take the middle one of nine rows: a rib's end is no wall."""
    rows = np.lib.stride_tricks.sliding_window_view(np.pad(places, 4, mode="edge"), 9)
    return np.asarray(np.median(rows, axis=1), np.intp)


def _otsu(values: NDArray[np.float32]) -> float:
    """Find the level that parts values into two kinds, each as even as can be (Otsu 1979)."""
    counts, edges = np.histogram(values, 64, (0, 1))
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    sums = np.cumsum(counts * middle)
    above = below[-1] - below
    is_apart = (below > 0) & (above > 0)
    between = sums[-1] * below - sums * below[-1]
    apart = np.divide(between**2, below * above, out=np.zeros(len(sums)), where=is_apart)
    return float(edges[1 + int(apart.argmax())])


def _spread(mask: Mask) -> Mask:
    """Add the four neighbours of each cell."""
    wide = np.pad(mask, 1)
    return mask | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]


def _grown(seeds: Mask, within: Mask) -> Mask:
    """Grow seeds through neighbours until nothing is added."""
    grown = seeds & within
    while True:
        wider = _spread(grown) & within
        if (wider == grown).all():
            return grown
        grown = wider


def _opened(mask: Mask) -> Mask:
    """Cut bridges of one cell."""
    return _spread(~_spread(~mask)) & mask


def _closed(mask: Mask) -> Mask:
    """Smooth the outline: fill bays that are narrower than five cells."""
    wide = _spread(_spread(mask))
    return ~_spread(_spread(~wide))


def _filled(mask: Mask) -> Mask:
    """Fill each row from its first cell to its last: ribs, vessels, small opacities."""
    from_left = np.logical_or.accumulate(mask, axis=1)
    from_right = np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    return from_left & from_right


def _narrowing(mask: Mask) -> Mask:
    """Let a lung get no wider from its upper third upwards: what does is air over a shoulder."""
    upwards = mask[: round(0.35 * SIDE)][::-1]
    first = np.where(upwards.any(axis=1), upwards.argmax(axis=1), 0)
    last = np.where(upwards.any(axis=1), SIDE - 1 - upwards[:, ::-1].argmax(axis=1), SIDE)
    at = np.arange(SIDE)
    left, right = np.maximum.accumulate(first)[:, None], np.minimum.accumulate(last)[:, None]
    kept = mask.copy()
    kept[: round(0.35 * SIDE)] &= ((at >= left) & (at <= right))[::-1]
    return kept
