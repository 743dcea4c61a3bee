"""Films with a part removed or turned: what a classifier should do without, or put up with.

What is taken away becomes black. All work on a film in the size of the network, but for the crop,
which is cut from the film as it was.
"""

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Box, Pixels
from spark_cxr.images.lungs import LungFields
from spark_cxr.images.prepare import grey, resize, to_network

BORDER = 0.1
"""Share of each side that counts as border, at either end."""
CORNER = 0.15
"""Share of each side that a corner takes: markers and burnt-in text stand there."""
CROP = 0.08
"""Share of each side that a crop cuts off, half of it at either end."""
BINS = 64
SMALL = 32
_LUNGS = ((0.5, 0.3), (0.5, 0.7))
"""Centres (down, across) of the ellipses that stand for lungs where these are not found."""
_LUNG_REACH = (0.36, 0.19)
"""Their half axes; on drawn films they hide nine tenths of the lungs."""

Vector = NDArray[np.float32]


def border_only(film: Pixels) -> Pixels:
    """Keep the outer tenth on each side."""
    kept = film.copy()
    kept[_inside(film, BORDER)] = 0
    return kept


def centre_only(film: Pixels) -> Pixels:
    """Keep what lies within the outer tenth."""
    kept, inside = np.zeros_like(film), _inside(film, BORDER)
    kept[inside] = film[inside]
    return kept


def without_lungs(film: Pixels, boxes: tuple[Box, ...] = ()) -> Pixels:
    """Hide the lungs: under boxes where these are known, else under two ellipses."""
    kept = film.copy()
    if not boxes:
        kept[_ellipses(film)] = 0
    height, width = film.shape[:2]
    for box in boxes:
        rows = slice(int(box.top * height), int(np.ceil(box.bottom * height)))
        kept[rows, int(box.left * width) : int(np.ceil(box.right * width))] = 0
    return kept


def without_corners(film: Pixels) -> Pixels:
    """Hide the four corners."""
    kept = film.copy()
    down, across = (max(1, round(side * CORNER)) for side in film.shape[:2])
    for rows in (slice(None, down), slice(-down, None)):
        for columns in (slice(None, across), slice(-across, None)):
            kept[rows, columns] = 0
    return kept


def cropped(film: Pixels, size_hw: tuple[int, int]) -> Pixels:
    """Cut a little off all sides, and bring the rest to the size of the network."""
    return to_network(film[_inside(film, CROP / 2)], size_hw)


def mirrored(film: Pixels) -> Pixels:
    """Swap left and right."""
    return np.ascontiguousarray(film[:, ::-1])


def inverted(film: Pixels) -> Pixels:
    """Make the negative."""
    return 255 - film


def histogram(film: Pixels) -> Vector:
    """Give the share of pixels in each of 64 steps of grey."""
    counts = np.bincount(_grey(film).ravel() // (256 // BINS), minlength=BINS)
    return np.asarray(counts / counts.sum(), dtype=np.float32)


def small(film: Pixels) -> Vector:
    """Shrink to 32 x 32 greys between 0 and 1, row by row."""
    tiny = _grey(resize(film, (SMALL, SMALL)))
    return np.asarray(tiny.reshape(-1) / np.float32(255), dtype=np.float32)


def boxes_of_lungs(lungs: LungFields | None, film: Pixels) -> tuple[Box, ...]:
    """Box the lungs that were found of a film; nothing where they were not."""
    return lung_boxes(lungs.mask(film.shape[:2]).astype(np.uint8) * 255) if lungs else ()


def lung_boxes(mask: Pixels) -> tuple[Box, ...]:
    """Box what a mask marks on either side of its middle; nothing for an empty mask.

    Boxes, because the outline of a mask tells by itself what was found in the lungs.
    """
    marked = _grey(mask) > 127
    if not marked.any():
        return ()
    columns = np.flatnonzero(marked.any(axis=0))
    middle = (columns[0] + columns[-1] + 1) // 2
    halves = ((0, middle), (middle, marked.shape[1]))
    return tuple(_box(marked, *each) for each in halves if marked[:, each[0] : each[1]].any())


def _box(marked: NDArray[np.bool_], start: int, end: int) -> Box:
    part = marked[:, start:end]
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    height, width = marked.shape
    return Box(
        float(rows[0] / height),
        float((rows[-1] + 1) / height),
        float((start + columns[0]) / width),
        float((start + columns[-1] + 1) / width),
    )


def _inside(film: Pixels, share: float) -> tuple[slice, slice]:
    down, across = (round(side * share) for side in film.shape[:2])
    return slice(down, film.shape[0] - down), slice(across, film.shape[1] - across)


def _ellipses(film: Pixels) -> NDArray[np.bool_]:
    rows, columns = ((np.arange(side) + 0.5) / side for side in film.shape[:2])
    hidden = np.zeros(film.shape[:2], np.bool_)
    for down, across in _LUNGS:
        one = ((rows - down) / _LUNG_REACH[0]) ** 2
        other = ((columns - across) / _LUNG_REACH[1]) ** 2
        hidden |= one[:, None] + other[None, :] <= 1
    return hidden


def _grey(film: Pixels) -> Pixels:
    return film if film.ndim == 2 else grey(film)
