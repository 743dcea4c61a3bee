"""A contact sheet: what the network sees of its films while it learns."""

from __future__ import annotations

from itertools import islice

import numpy as np

from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_png
from spark_cxr.training.batches import Batch, Feed

ACROSS, DOWN = 8, 6
SIDE = 160
"""Of the longer side of a film on the sheet."""
_GAP = 4
_PAPER = 255


def contact_sheet(seen: Feed, plain: Feed) -> bytes:
    """Draw the films of the first batches of `seen` as PNG, 8 across and 6 down.

    Above stand, behind a wider gap, those of the first row as `plain` gives them.
    """
    batches = list(islice(seen.batches(0), -(-ACROSS * DOWN // seen.batch_size)))
    films = _films(batches)[: ACROSS * DOWN]
    rows = np.concatenate([batch.rows for batch in batches])[:ACROSS]
    before = [plain.films.read(int(row), int(row) + 1)[0][0] for row in rows]
    return encode_png(np.vstack([_shelf(before), _paper(2 * _GAP, films[0]), *_shelves(films)]))


def _films(batches: list[Batch]) -> list[Pixels]:
    return [film[..., 0] for batch in batches for film in batch.films]


def _shelves(films: list[Pixels]) -> list[Pixels]:
    return [_shelf(films[start : start + ACROSS]) for start in range(0, len(films), ACROSS)]


def _shelf(films: list[Pixels]) -> Pixels:
    """Lay up to a row's worth of films side by side, with paper around each."""
    small = [np.pad(scaled(film, SIDE), _GAP // 2, constant_values=_PAPER) for film in films]
    missing = ACROSS - len(small)
    return np.hstack(small + [np.full_like(small[0], _PAPER)] * missing)


def _paper(height: int, film: Pixels) -> Pixels:
    width = scaled(film, SIDE).shape[1] + 2 * (_GAP // 2)
    return np.full((height, ACROSS * width), _PAPER, np.uint8)
