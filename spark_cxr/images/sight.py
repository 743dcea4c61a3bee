"""What of a film a network is shown: all of it, or its lungs.

A letter in a corner, a border and the shape of a shoulder tell one hospital from another. A network
that is shown the lungs alone cannot learn from them, in so far as the lungs are found. Where they
are not, it is shown the whole film, and the film is marked (`model.predictor.NO_LUNGS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from spark_cxr.choices import SEE
from spark_cxr.images.film import Box, Pixels
from spark_cxr.images.lungs import LungFields

FILM, LUNGS, LUNGS_ONLY = SEE
MARGIN = 0.05
"""Around the box of the lungs, as a share of its sides."""


@dataclass(frozen=True)
class Sight:
    """What a network is shown of a film."""

    pixels: Pixels
    box: Box | None = None
    """Where that lies, in shares of the film; None: it is the whole film."""


def sight_of(pixels: Pixels, see: str, lungs: LungFields | None) -> Sight:
    """Take out of a film what is to be seen of it; all of it where the lungs are not known."""
    if see == FILM or lungs is None:
        return Sight(pixels)
    height, width = pixels.shape[:2]
    rows, columns = _sides(lungs.box, height, width)
    part = pixels[rows, columns]
    if see == LUNGS_ONLY:
        mask = lungs.mask((height, width))[rows, columns]
        part = np.where(mask if part.ndim == 2 else mask[..., None], part, np.uint8(0))
    ends = (rows.start / height, rows.stop / height, columns.start / width, columns.stop / width)
    return Sight(part, Box(*ends))


def _sides(box: Box, height: int, width: int) -> tuple[slice, slice]:
    down, across = MARGIN * (box.bottom - box.top), MARGIN * (box.right - box.left)
    return (
        _pixels(box.top - down, box.bottom + down, height),
        _pixels(box.left - across, box.right + across, width),
    )


def _pixels(start: float, end: float, side: int) -> slice:
    return slice(max(0, floor(start * side)), min(side, ceil(end * side)))


def with_sight(network: str, see: str) -> str:
    """Name a network, and what it is shown where that is not the whole film."""
    return network if see in ("", FILM) else f"{network}, shown {see} (--see)"
