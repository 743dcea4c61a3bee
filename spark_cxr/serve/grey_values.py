"""A film in the bits of its file, for a screen that sets window and level by itself.

What goes over the wire is a line of JSON, then the values: 16 bits each, the low byte first, row
after row from the top left. Browsers bring every picture down to 8 bits, so it is no picture.
"""

from __future__ import annotations

import gzip
import json
import math
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from spark_cxr.errors import BadImage
from spark_cxr.images.film import Film, GreyScale, GreyValues, Limits, Spacing
from spark_cxr.images.film_pass import Content, FilmViews, opener
from spark_cxr.images.prepare import shrunk
from spark_cxr.serve.work_queue import WorkQueue

MOST_WAITING = 8
"""Films that may wait to be developed: each takes as long as its decoding."""
LONGEST, MOST_LONGEST = 2048, 4096
"""Pixels of the longer side: what a large screen can show, and the most that may be asked for."""
_FAST = 1
_DECODING = 0.8
"""Of the time that a request has, what decoding may take."""


@dataclass(frozen=True)
class ValueHeader:
    """The line before the values."""

    width: int
    height: int
    scale: GreyScale
    bits: int
    """Of the file."""
    spacing: Spacing | None
    """Of these values, not of the pixels in the file, from which they may be averaged."""


class Developer:
    """Decodes films anew in all their bits, one at a time, in a thread beside the answers."""

    def __init__(self, limits: Limits) -> None:
        """Start with nothing to do."""
        self._limits = limits
        self._lane = WorkQueue("develop", 1, MOST_WAITING)

    async def develop(self, content: bytes, longest: int, seconds: float, packs: bool) -> bytes:
        """Give header and values of a film, gzipped where `packs` says so.

        Raises:
            BadImage: It is no film, or one in colour.
            Refusal: 503, too many are waiting.
        """
        ends = time.monotonic() + seconds
        return await self._lane.in_turn("films", self._made, content, longest, ends, packs)

    def _made(self, content: bytes, longest: int, ends: float, packs: bool) -> bytes:
        left = max(0.1, _DECODING * (ends - time.monotonic()))
        limits = replace(self._limits, seconds=min(self._limits.seconds, left))
        open_ = opener(
            lambda _, __, film: FilmViews(_body(film, longest)),
            lambda _, __, bad: bad,
            limits,
            values_side=longest,
        )
        body = open_(Content(content)).note
        if isinstance(body, BadImage):
            raise body
        return gzip.compress(body, _FAST) if packs else body

    def close(self, seconds: float = math.inf) -> None:
        """Finish the film that is being developed, if that is soon."""
        self._lane.close(time.monotonic() + seconds)


def _body(film: Film, longest: int) -> bytes | BadImage:
    """Write the line of JSON and the values."""
    found = _values(film, longest)
    height, width = found.values.shape
    spacing = _spread(film, height, width)
    header = ValueHeader(width, height, found.scale, film.bits, spacing)
    line = json.dumps(asdict(header), allow_nan=False).encode() + b"\n"
    return line + found.values.astype("<u2", copy=False).tobytes()


def _values(film: Film, longest: int) -> GreyValues:
    """Take the film in its own bits or, where it has no more, in 8."""
    if film.values:
        return film.values
    if film.pixels.ndim != 2:
        raise BadImage("unsupported_photometric", "a film in colour has no grey values")
    return GreyValues(shrunk(film.pixels.astype(np.uint16), longest), GreyScale(255, 0, 255))


def _spread(film: Film, height: int, width: int) -> Spacing | None:
    """Say how far apart the values lie that stand for so many pixels of the file."""
    if film.spacing is None:
        return None
    tall, wide = film.file_hw
    down, across = film.spacing.down * tall / height, film.spacing.across * wide / width
    return Spacing(down, across, film.spacing.plane)
