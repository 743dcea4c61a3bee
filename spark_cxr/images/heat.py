"""A map of few cells → heat on a film's own pixels, its colours, and the PNG with bar and words.

Most networks take a film squashed to their size, so cell i of n stands for the share
(i .. i + 1) / n of the film's side, whatever its shape. Where a part is cut off or black is put
around the film (`images/fit.py`), cells lie on the part that the network sees, and there is no heat
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.images.film import Box, Pixels
from spark_cxr.images.fit import Fit, shown_box
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_png

Heat = NDArray[np.float32]
Region = NDArray[np.bool_]
"""Marked pixels of a film."""
OUTLINE = (120, 230, 140)
Span = tuple[float, float]
WHOLE = (0.0, 1.0)
STRONGEST = 0.8
"""How far the strongest heat covers the film: bone and lung stay readable below it."""
_LEVELS = 127
_WARM, _COLD = 55.0, 255.0
"""Hues of what speaks for a class and against it: orange and blue, apart for all eyes."""
_LIGHTNESS = (0.52, 0.77)
"""In OKLab, of no heat and of the strongest; the same for both hues."""
_CHROMA = {_WARM: (0.11, 0.14), _COLD: (0.11, 0.10)}
"""As much of it as screens have at these."""
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
class Grid:
    """Where the centres of cells lie along a side of what the network sees, as shares of it."""

    first: float = 0.0
    step: float = 0.0
    """0: the cells divide the side evenly."""
    fit: Fit | None = None
    """How the film came into the network; None: squashed."""
    box: Box | None = None
    """The part of the film that the network was shown (`sight.sight_of`); None: all of it."""

    def spans(self, size_hw: tuple[int, int]) -> tuple[Span, Span]:
        """Say from where to where the network sees a film, down and across, as shares of it."""
        part = self.box or Box(0.0, 1.0, 0.0, 1.0)
        tall, wide = part.bottom - part.top, part.right - part.left
        if self.fit is None:
            return (part.top, part.bottom), (part.left, part.right)
        height, width = (max(1, round(size_hw[0] * tall)), max(1, round(size_hw[1] * wide)))
        top, left, bottom, right = shown_box(self.fit, (height, width))
        down, across = tall / height, wide / width
        return (
            (part.top + top * down, part.top + bottom * down),
            (part.left + left * across, part.left + right * across),
        )


def on_part(grid: Grid | None, box: Box | None) -> Grid | None:
    """Lay cells on the part of a film that the network was shown."""
    return replace(grid or Grid(), box=box) if box else grid


def place(field: NDArray[Any], size_hw: tuple[int, int], grid: Grid | None = None) -> Heat:
    """Interpolate a map between the centres of its cells, onto a film of this size."""
    (height, width), (tall, wide), known = size_hw, field.shape, grid or Grid()
    down, across = known.spans(size_hw)
    rows = interpolation(tall, height, known, down)
    columns = interpolation(wide, width, known, across)
    return np.asarray(rows @ np.asarray(field, np.float32) @ columns.T)


def interpolation(cells: int, pixels: int, grid: Grid | None = None, span: Span = WHOLE) -> Heat:
    """Weigh the cells for each pixel of a side; beyond the outermost centres their value holds.

    Without a grid the cells divide the side evenly. What lies beside the span has none of them.
    """
    known = grid if grid and grid.step else Grid(0.5 / cells, 1 / cells)
    shares = ((np.arange(pixels) + 0.5) / pixels - span[0]) / (span[1] - span[0])
    at = (shares - known.first) / known.step
    away = np.abs(np.clip(at, 0, cells - 1)[:, None] - np.arange(cells))
    weights = np.asarray(np.maximum(1 - away, 0), np.float32)
    weights[(shares < 0) | (shares > 1)] = 0
    return weights


def nice_scale(largest: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten; 1 for no heat at all."""
    if not 0 < largest < float("inf"):
        return 1.0
    power = 10.0 ** floor(log10(largest))
    return next((n * power for n in (1, 2, 5) if n * power >= largest * (1 - 1e-9)), 10 * power)


def levels(heat: NDArray[Any], scale: float) -> NDArray[np.uint8]:
    """Turn heat from -scale to scale into whole levels, 127 being none; beyond them it is cut."""
    cut = np.clip(np.asarray(heat, np.float32) * np.float32(_LEVELS / scale), -_LEVELS, _LEVELS)
    return np.asarray(np.rint(cut + np.float32(_LEVELS)), np.uint8)


def layer(found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour levels as a layer to lay over a film: red, green, blue, opacity."""
    return np.take(_COLOURS, found, axis=0)


def blend(grey: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay levels of heat over a grey film."""
    table, film = _COLOURS.astype(np.uint16), grey.astype(np.uint16)
    opacity = np.take(table[:, 3], found)
    left = film * (255 - opacity)
    laid = [np.take(table[:, i] * table[:, 3], found) for i in range(3)]
    return np.stack([((left + each + 127) // 255).astype(np.uint8) for each in laid], axis=-1)


def _colours() -> NDArray[np.uint8]:
    """Make the colours of all levels: dark and clear at 0, bright and covering at either end.

    In OKLab (Ottosson 2020) equal steps of its numbers look equally far apart; opacity goes evenly
    too, and mixing is even in it nearly as well.
    """
    strength = np.abs(np.arange(2 * _LEVELS + 1) - _LEVELS) / _LEVELS
    is_cold = np.arange(2 * _LEVELS + 1) < _LEVELS
    hue = np.radians(np.where(is_cold, _COLD, _WARM))
    lightness = np.interp(strength, (0, 1), _LIGHTNESS)
    warm, cold = (np.interp(strength, (0, 1), _CHROMA[hue]) for hue in (_WARM, _COLD))
    chroma = np.where(is_cold, cold, warm)
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    rgb = np.clip(_to_srgb(lab), 0, 1)
    return np.rint(np.column_stack([rgb, strength * STRONGEST]) * 255).astype(np.uint8)


def _to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    cones = np.array(
        [
            [1, 0.3963377774, 0.2158037573],
            [1, -0.1055613458, -0.0638541728],
            [1, -0.0894841775, -1.2914855480],
        ]
    )
    linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    light = np.maximum((lab @ cones.T) ** 3 @ linear.T, 0)
    curved = 1.055 * light ** (1 / 2.4) - 0.055
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, curved))


_COLOURS = _colours()


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
    field: NDArray[np.float32],
    size_hw: tuple[int, int],
    scale: float,
    grid: Grid | None = None,
    region: Region | None = None,
) -> bytes:
    """Draw heat alone, and the outline of a region, for a page that lays it over its film."""
    drawn = layer(levels(place(field, size_hw, grid), scale))
    if region is not None:
        drawn[outline(region)] = (*OUTLINE, 255)
    return encode_png(drawn)


def outline_png(region: Region) -> bytes:
    """Draw the outline of a region alone, and nothing where it is not."""
    drawn = np.zeros((*region.shape, 4), np.uint8)
    drawn[outline(region)] = (*OUTLINE, 255)
    return encode_png(drawn)


def outline(region: Region) -> Region:
    """Give the rim of a region, a pixel wide for each 400 of the film."""
    inside = region
    for _ in range(1 + max(region.shape) // 400):
        wide = np.pad(inside, 1)
        beside = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
        inside = inside & beside
    return region & ~inside


def overlay_png(
    film: Pixels,
    field: NDArray[np.float32],
    scale: float,
    words: Words,
    grid: Grid | None = None,
    region: Region | None = None,
) -> bytes:
    """Draw a grey film, at the top left and pixel for pixel, with its heat and what it means."""
    height, width = film.shape
    tall = max(height, 6 * _LINE)
    size = (tall + 2 * _GAP + _LINE * len(words.lines), width + _GAP + _room(words, width), 3)
    canvas = np.full(size, _PAPER, np.uint8)
    canvas[:height, :width] = heated(film, field, scale, grid)
    if region is not None:
        canvas[:height, :width][outline(region)] = OUTLINE
    left, top, long = width + _GAP, _LINE + _GAP, tall - 2 * (_LINE + _GAP)
    canvas[top : top + long, left : left + _BAR] = blend(
        np.full((long, _BAR), _UNDER_BAR, np.uint8),
        levels(np.linspace(1, -1, long, dtype=np.float32)[:, None].repeat(_BAR, axis=1), 1.0),
    )
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
