"""Where on the film a margin comes from: class activation maps, and hiding parts of the film.

The features of a pooled network are the means of its last maps. So a margin that is a weighted sum
of features is the mean of the maps in the same weights, exactly; and for any other head that can
be differentiated, the gradient by the maps is the gradient by the features over the number of
pixels, without a look into the network.

Trees and forests have no gradient: for them parts of the film are hidden. The number of films that
go through the network is fixed beforehand: one for each hidden part. A transformer sees patches:
from it whole patches are hidden, each with all of its pixels or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.network import Network
from spark_cxr.errors import SparkCxrError
from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, interpolation

Floats = NDArray[np.floating[Any]]
TOLERANCE = 1e-4
"""Of a margin, relative to the largest of the film, or to 1."""
CELLS = 8
"""Windows a side, of patches at most: 64 passes and one for the film itself."""
MASKS = 192
"""Passes of RISE, which needs several for each of its cells."""
_AT_ONCE = 16
"""Masks: of larger numbers the films, as floats, would take hundreds of megabytes."""
KEPT = 0.5
"""Share of a film that a mask of RISE leaves, on average."""
Score = Callable[[Pixels], NDArray[np.float64]]
"""Films → a row of margins each."""


def grid_of(network: Network) -> Grid | None:
    """Say where on a film the cells of a network's last maps look; None where all is as usual.

    Strides and paddings move them: those of ResNet50 look half a cell higher and further left than
    cells that part the film evenly would.
    """
    row = catalog.BACKBONES.get(network.backbone)
    # A user's own file may bear the name of another network.
    if row is None or not row.first_centre or network.weights.kind == "own":
        return even_grid_of(network)
    side = network.size_hw[0]
    return Grid(row.first_centre / side, row.cell_step / side)


def even_grid_of(network: Network) -> Grid | None:
    """Say what part of a film the network sees, where cells divide it evenly; None: all of it."""
    return None if network.fit.how == "squash" else Grid(fit=network.fit)


def window_grid_of(network: Network) -> Grid | None:
    """Say where on a film the parts lie that `occlude` and `rise` hide; None where all is as usual.

    Cells of whole patches divide a side evenly where their number does.
    """
    side, patch = network.size_hw[0], patch_of(network)
    step = _patches_a_cell(side, patch) * patch if patch else 0
    if not step or side % step == 0:
        return even_grid_of(network)
    return Grid(step / (2 * side), step / side, network.fit)


def patch_of(network: Network) -> int:
    """Say how many pixels a side of a network's patches has; 0: hide windows of any place.

    A grid has one step for both sides, so a film that is not square is divided evenly or not at all
    into cells of whole patches.
    """
    patch = network.card.patch if network.card else 0
    height, width = network.size_hw
    if not patch or height == width:
        return patch
    steps = (_patches_a_cell(side, patch) * patch for side in (height, width))
    is_even = all(side % step == 0 for side, step in zip((height, width), steps, strict=True))
    return patch if is_even else 0


def class_maps(maps: Floats, weights: Floats) -> NDArray[np.float32]:
    """Weigh a film's maps (features, height, width) by the rows of `weights`: a map each.

    The mean of a map is what its weights make of the film's features (Zhou et al. 2016).
    """
    features, height, width = maps.shape
    flat = np.asarray(weights, np.float32) @ maps.reshape(features, height * width)
    return flat.reshape(-1, height, width).astype(np.float32, copy=False)


def grad_cam(maps: Floats, gradients: Floats) -> NDArray[np.float32]:
    """Weigh a film's maps by the mean gradient over their pixels (Selvaraju et al. 2017).

    Signed: what is below 0 speaks against the class; the paper leaves it out.
    """
    return class_maps(maps, gradients / (maps.shape[1] * maps.shape[2]))


def grad_cam_pp(maps: Floats, gradients: Floats) -> NDArray[np.float32]:
    """Weigh a film's maps as Grad-CAM++ does (Chattopadhay et al. 2018).

    Of globally averaged maps the gradient g is the same at each of n pixels, and so is the paper's
    alpha: g^2 / (2 g^2 + g^3 sum(A)). With s = n g, the gradient by the feature f = sum(A) / n, the
    weight n alpha max(g, 0) becomes max(s, 0) / (2 + s f).
    """
    below = 2 + gradients * maps.mean(axis=(1, 2))
    # Only maps that go below 0, which no network with ReLU has, bring it near 0.
    weights = np.maximum(gradients, 0) / np.where(np.abs(below) < 0.1, 1, below)
    return class_maps(maps, weights)


def check_exact(found: NDArray[np.float32], rests: Floats, margins: Floats) -> None:
    """Refuse maps (margins, height, width) whose means and `rests` do not add up to the margins.

    Raises:
        SparkCxrError: The maps do not explain the margins.
    """
    sums = found.mean(axis=(1, 2), dtype=np.float64) + rests
    away = float(np.abs(sums - margins).max(initial=0))
    if away > TOLERANCE * max(1.0, float(np.abs(margins).max(initial=0))):
        expected = f"maps whose means are the margins to {TOLERANCE:g}"
        raise SparkCxrError(expected, f"{away:g} apart", "Say --method occlusion, and report this")


def occlude(film: Pixels, score: Score, *, patch: int = 0) -> NDArray[np.float32]:
    """Hide a window at a time; give how far each margin falls: (margins, cells, cells).

    A window is twice as wide as its cell, because half an opacity hardly changes a tree's mind;
    where a cell is one patch, its window is that patch. What is hidden gets the film's mean grey.

    Args:
        film: In the network's size.
        score: What makes margins of films.
        patch: See `patch_of`.
    """
    down, across = (_windows(side, patch) for side in film.shape[:2])
    windows = [(rows, columns) for rows in down for columns in across]
    fill = _mean(film)
    films = np.repeat(film[None], len(windows) + 1, axis=0)
    for hidden, window in zip(films[:-1], windows, strict=True):
        hidden[window] = fill
    margins = score(films)
    falls = margins[-1] - margins[:-1]
    return np.asarray(falls.T.reshape(-1, len(down), len(across)), np.float32)


def rise(film: Pixels, score: Score, seed: int = 0, *, patch: int = 0) -> NDArray[np.float32]:
    """Hide random parts; give how much each cell adds to each margin: (margins, cells, cells).

    Masks are smooth, as in the paper (Petsiuk et al. 2018); over patches they go in steps. Where it
    weighs masks by scores, here the mean of the scores goes off first: of so few masks one would
    else see the masks.
    """
    rows, columns = (_shares(side, patch) for side in film.shape[:2])
    shape = (MASKS, rows.shape[1], columns.shape[1])
    cells = np.random.default_rng(seed).random(shape) < KEPT
    fill = _mean(film)
    bare = film.astype(np.float32) - fill
    parts = []
    for some in np.split(cells.astype(np.float32), MASKS // _AT_ONCE):
        masks = rows @ some @ columns.T
        parts.append(score(np.rint(fill + masks[..., None] * bare).astype(np.uint8)))
    margins = np.concatenate(parts)
    away = cells.reshape(MASKS, -1) - KEPT
    slopes = (margins - margins.mean(axis=0)).T @ away / (MASKS * KEPT * (1 - KEPT))
    return np.asarray(slopes.reshape(-1, *cells.shape[1:]), np.float32)


def _mean(film: Pixels) -> NDArray[np.float32]:
    return np.asarray(film.mean(axis=(0, 1), dtype=np.float32))


def _patches_a_cell(side: int, patch: int) -> int:
    """Say how many patches a cell has along a side: as few as leave no more than `CELLS` cells."""
    return ceil(ceil(side / patch) / CELLS)


def _windows(side: int, patch: int) -> list[slice]:
    """Say what of a side is hidden for each cell."""
    if patch:
        step = _patches_a_cell(side, patch)
        cell, beside = step * patch, step // 2 * patch
        starts = range(0, side, cell)
        return [slice(max(0, start - beside), start + cell + beside) for start in starts]
    half = side / (2 * CELLS)
    odd = range(-1, 2 * CELLS - 1, 2)
    return [slice(max(0, round(n * half)), round((n + 4) * half)) for n in odd]


def _shares(side: int, patch: int) -> NDArray[np.float32]:
    """Weigh the cells of a mask for each pixel of a side; the pixels of a patch have one weight."""
    if not patch:
        return interpolation(CELLS, side)
    patches, step = ceil(side / patch), _patches_a_cell(side, patch)
    grid = Grid(step / (2 * patches), step / patches)
    weights = interpolation(ceil(patches / step), patches, grid)
    return np.repeat(weights, patch, axis=0)[:side]
