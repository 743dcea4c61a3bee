"""Films with parts hidden, for heads that no gradient goes through: trees and forests.

The number of films that go through the network is fixed beforehand: one for each hidden part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels

CELLS = 8
"""Windows a side: 64 passes and one for the film itself."""
MASKS = 192
"""Passes of RISE, which needs several for each of its cells."""
_AT_ONCE = 16
"""Masks: of larger numbers the films, as floats, would take hundreds of megabytes."""
KEPT = 0.5
"""Share of a film that a mask of RISE leaves, on average."""
Score = Callable[[Pixels], NDArray[np.float64]]
"""Films → a row of margins each."""


def occlude(film: Pixels, score: Score) -> NDArray[np.float32]:
    """Hide a window at a time; give how far each margin falls: (margins, cells, cells).

    A window is twice as wide as its cell, because half an opacity hardly changes a tree's mind.
    What is hidden gets the film's mean grey.
    """
    height, width = film.shape[:2]
    fill = _mean(film)
    films = np.repeat(film[None], CELLS * CELLS + 1, axis=0)
    for cell, hidden in enumerate(films[:-1]):
        rows, columns = _window(cell // CELLS, height), _window(cell % CELLS, width)
        hidden[rows, columns] = fill
    margins = score(films)
    falls = margins[-1] - margins[:-1]
    return np.asarray(falls.T.reshape(-1, CELLS, CELLS), np.float32)


def rise(film: Pixels, score: Score, seed: int = 0) -> NDArray[np.float32]:
    """Hide random parts; give how much each cell adds to each margin: (margins, cells, cells).

    Masks are smooth, as in the paper (Petsiuk et al. 2018). Where it weighs masks by scores, here
    the mean of the scores goes off first: of so few masks one would else see the masks.
    """
    cells = np.random.default_rng(seed).random((MASKS, CELLS, CELLS)) < KEPT
    rows, columns = (_smoothing(side) for side in film.shape[:2])
    fill = _mean(film)
    bare = film.astype(np.float32) - fill
    parts = []
    for some in np.split(cells.astype(np.float32), MASKS // _AT_ONCE):
        masks = rows @ some @ columns.T
        parts.append(score(np.rint(fill + masks[..., None] * bare).astype(np.uint8)))
    margins = np.concatenate(parts)
    away = cells.reshape(MASKS, -1) - KEPT
    slopes = (margins - margins.mean(axis=0)).T @ away / (MASKS * KEPT * (1 - KEPT))
    return np.asarray(slopes.reshape(-1, CELLS, CELLS), np.float32)


def _mean(film: Pixels) -> NDArray[np.float32]:
    return np.asarray(film.mean(axis=(0, 1), dtype=np.float32))


def _window(cell: int, side: int) -> slice:
    half = side / (2 * CELLS)
    return slice(max(0, round((2 * cell - 1) * half)), round((2 * cell + 3) * half))


def _smoothing(side: int) -> NDArray[np.float32]:
    """Weigh cells for each pixel of a side, between their centres."""
    at = np.clip((np.arange(side) + 0.5) / side * CELLS - 0.5, 0, CELLS - 1)
    away = np.abs(at[:, None] - np.arange(CELLS))
    return np.asarray(np.maximum(1 - away, 0), np.float32)
