"""A film with heat, colour bar and words, as a PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Pixels
from spark_cxr.images.heat import Grid, blend, layer, levels, place
from spark_cxr.images.png import encode_png
from spark_cxr.images.prepare import scaled

LONGEST = 1024
"""Pixels of the longer side, at most: a film as wide as a screen."""
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
    return scaled(grey, longest) if 0 < longest < max(grey.shape) else grey


def film_png(film: Pixels) -> bytes:
    """Draw a grey film as it is."""
    return encode_png(film)


def heat_png(
    field: NDArray[np.float32], size_hw: tuple[int, int], scale: float, grid: Grid | None = None
) -> bytes:
    """Draw heat alone, for a page that lays it over its film."""
    return encode_png(layer(levels(place(field, size_hw, grid), scale)))


def overlay_png(
    film: Pixels, field: NDArray[np.float32], scale: float, words: Words, grid: Grid | None = None
) -> bytes:
    """Draw a grey film, at the top left and pixel for pixel, with its heat and what it means."""
    height, width = film.shape
    tall = max(height, 6 * _LINE)
    size = (tall + 2 * _GAP + _LINE * len(words.lines), width + _GAP + _room(words, width), 3)
    canvas = np.full(size, _PAPER, np.uint8)
    canvas[:height, :width] = heated(film, field, scale, grid)
    left, top, long = width + _GAP, _LINE + _GAP, tall - 2 * (_LINE + _GAP)
    canvas[top : top + long, left : left + _BAR] = _bar(long)
    for row, column, text, ink in _texts(words, scale, (left, top, long), tall + _GAP):
        strip = _strip(text, ink)
        canvas[row : row + _LINE, column : column + strip.shape[1]] = strip[..., None]
    return encode_png(canvas)


def heated(
    film: Pixels, field: NDArray[np.float32], scale: float, grid: Grid | None = None
) -> Pixels:
    """Lay heat over a grey film."""
    return blend(film, levels(place(field, (film.shape[0], film.shape[1]), grid), scale))


def _room(words: Words, width: int) -> int:
    """Say how wide the paper right of the film has to be for all words to fit."""
    beside = [len(_strip(name, _INK)[0]) for name in (words.pro, words.contra)]
    below = [len(_strip(line, _INK)[0]) - width for line in words.lines]
    return _GAP + max(_BAR_ROOM, *beside, *below)


def _bar(long: int) -> NDArray[np.uint8]:
    steps = np.linspace(1, -1, long, dtype=np.float32)[:, None].repeat(_BAR, axis=1)
    return blend(np.full(steps.shape, _UNDER_BAR, np.uint8), levels(steps, 1.0))


def _texts(
    words: Words, scale: float, bar: tuple[int, int, int], first: int
) -> Iterator[tuple[int, int, str, int]]:
    """Give row, column, text and ink of all that is written."""
    left, top, long = bar
    yield top - _LINE, left, words.pro, _INK
    yield top + long, left, words.contra, _INK
    for share, sign in ((0.0, f"+{scale:g}"), (0.5, "0"), (1.0, f"-{scale:g}")):
        yield round(top + share * (long - _LINE)), left + _BAR + 6, sign, _FAINT
    for number, line in enumerate(words.lines):
        yield first + number * _LINE, _GAP, line, _FAINT if number else _INK


@lru_cache(maxsize=256)
def _strip(text: str, ink: int) -> NDArray[np.uint8]:
    """Write a line of text: most lines stand on many films."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_TEXT)
    picture = Image.new("L", (ceil(font.getlength(text)) + 1, _LINE), _PAPER)
    ImageDraw.Draw(picture).text((0, 1), text, ink, font)
    return np.asarray(picture)
