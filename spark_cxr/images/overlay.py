"""A film with heat, colour bar and words, as a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, blend, layer, levels, place
from spark_cxr.images.prepare import resize

LONGEST = 1024
"""Pixels of the longer side, at most: a film as wide as a screen."""
NARROWEST = 400
"""Room for the words beside a small film."""
_BAR, _GAP = 18, 10
_BAR_ROOM = 96
_LINE = 20
_TEXT = 14
_PAPER, _INK, _FAINT = 16, 235, 160
_UNDER_BAR = 96
"""The grey that the colours of the bar lie over: about a film's mean."""


@dataclass(frozen=True)
class Words:
    """What stands below and beside the film."""

    lines: Sequence[str]
    pro: str
    """The class that warm colours speak for."""
    contra: str
    """And that cold ones do."""


def bounded(pixels: Pixels, longest: int) -> Pixels:
    """Shrink a film in grey so that neither side is longer than `longest`; 0: leave it."""
    grey = pixels if pixels.ndim == 2 else np.rint(pixels.mean(axis=2)).astype(np.uint8)
    height, width = grey.shape
    scale = longest / max(height, width)
    if not longest or scale >= 1:
        return grey
    return resize(grey, (max(1, round(height * scale)), max(1, round(width * scale))))


def film_png(film: Pixels) -> bytes:
    """Draw a grey film as it is."""
    return _png(film)


def heat_png(
    field: NDArray[np.float32], size_hw: tuple[int, int], scale: float, grid: Grid | None = None
) -> bytes:
    """Draw heat alone, for a page that lays it over its film."""
    return _png(layer(levels(place(field, size_hw, grid), scale)))


def overlay_png(
    film: Pixels, field: NDArray[np.float32], scale: float, words: Words, grid: Grid | None = None
) -> bytes:
    """Draw a grey film, at the top left and pixel for pixel, with its heat and what it means."""
    height, width = film.shape
    heated = blend(film, levels(place(field, film.shape, grid), scale))
    tall = max(height, 6 * _LINE) + _GAP + _LINE * len(words.lines) + _GAP
    canvas = np.full((tall, max(width + _BAR_ROOM, NARROWEST), 3), _PAPER, np.uint8)
    canvas[:height, :width] = heated
    left, top, long = width + _GAP, _LINE + _GAP, max(height, 6 * _LINE) - 2 * (_LINE + _GAP)
    canvas[top : top + long, left : left + _BAR] = _bar(long)
    return _png(_written(canvas, words, scale, (left, top, long)))


def _bar(long: int) -> NDArray[np.uint8]:
    steps = np.linspace(1, -1, long, dtype=np.float32)[:, None].repeat(_BAR, axis=1)
    return blend(np.full(steps.shape, _UNDER_BAR, np.uint8), levels(steps, 1.0))


def _written(
    canvas: NDArray[np.uint8], words: Words, scale: float, bar: tuple[int, int, int]
) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    left, top, long = bar
    pen.text((left, top - _LINE), words.pro, (_INK,) * 3, font)
    pen.text((left, top + long + 4), words.contra, (_INK,) * 3, font)
    for share, sign in ((0.0, f"+{scale:g}"), (0.5, "0"), (1.0, f"−{scale:g}")):
        at = (left + _BAR + 6, top + share * (long - _TEXT) - 1)
        pen.text(at, sign, (_FAINT,) * 3, font)
    first = canvas.shape[0] - _GAP - _LINE * len(words.lines)
    for number, line in enumerate(words.lines):
        ink = _FAINT if number else _INK
        pen.text((_GAP, first + number * _LINE), line, (ink,) * 3, font)
    return np.asarray(picture)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    # Films are noise to zlib: a higher level takes three times as long for a tenth of the bytes.
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()
