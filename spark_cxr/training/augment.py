"""A film as another day would have given it: turned, shifted, lit otherwise, noisy, painted over.

About half a millisecond for 224 pixels: one affine transform (0.4 ms of it), one look-up table for
brightness, contrast and gamma, noise out of a bank, and rectangles.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.images.film import Pixels
from spark_cxr.training.recipe import Augment

Rng = np.random.Generator
Draws = NDArray[np.float64]
_LEVELS = np.arange(256) / 255.0
_NOISES = 8
"""Strengths of noise in the bank, evenly up to the largest."""
_MARGIN = 64
"""Pixels by which the noise of the bank is larger than a film, so that it can be shifted."""
_RECTANGLES, _OF_RECTANGLE = 9, 7
"""Rectangles at most, and the numbers that each is drawn from."""
_DRAWS = 13 + _RECTANGLES * _OF_RECTANGLE
_ERASED = (0.07, 0.25)
"""Sides of a rectangle, as shares of the film's."""
_AT_EDGE = 0.7
"""Probability for each axis that a rectangle lies at an edge: 49 % lie in corners, 42 % elsewhere
on the border, where letters, markers and black margins are."""


def augment(film: Pixels, strengths: Augment, rng: Rng) -> Pixels:
    """Change a grey film at random, within these strengths."""
    if strengths.is_none:
        return film
    # All draws at once: a call of the generator takes longer than its numbers.
    draws = rng.random(_DRAWS)
    image = _moved(film, strengths, 2 * draws[:5] - 1).point(_curve(strengths, 2 * draws[5:8] - 1))
    lit = np.asarray(image)
    if strengths.mirror and draws[8] < 0.5:
        lit = lit[:, ::-1]
    noisy = _noisy(lit, strengths.noise, draws[9:12]) if strengths.noise else lit.copy()
    return _erased(noisy, strengths.erase, draws[12:]) if strengths.erase else noisy


def _moved(film: Pixels, strengths: Augment, draws: Draws) -> Image.Image:
    """Turn, zoom and shift around the middle; what comes in from outside is black."""
    height, width = film.shape
    angle = np.deg2rad(strengths.rotation) * draws[0]
    zoom, aspect = np.exp(strengths.zoom * draws[1]), np.exp(strengths.zoom / 2 * draws[2])
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    across, down = (cos, -sin), (sin * aspect, cos * aspect)
    x, y = width / 2, height / 2
    left = x * (1 + strengths.shift * 2 * draws[3]) - across[0] * x - across[1] * y
    top = y * (1 + strengths.shift * 2 * draws[4]) - down[0] * x - down[1] * y
    matrix = (*across, left, *down, top)
    image = Image.fromarray(film)
    return image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )


def _curve(strengths: Augment, draws: Draws) -> list[int]:
    """Give the new grey level of each grey level."""
    bent = _LEVELS ** np.exp(strengths.gamma * draws[0])
    levels = (bent - 0.5) * np.exp(strengths.contrast * draws[1]) + 0.5
    levels += strengths.brightness * draws[2]
    return np.clip(255 * levels + 0.5, 0, 255).astype(np.uint8).tolist()  # type: ignore[no-any-return]


def _noisy(film: Pixels, most: float, draws: Draws) -> Pixels:
    """Add grain: a piece of the bank, of one of its strengths."""
    height, width = film.shape
    strength, y, x = (draws * (_NOISES, _MARGIN, _MARGIN)).astype(int).tolist()
    grain = _bank(most, height + _MARGIN, width + _MARGIN)[strength]
    levels = np.add(film, grain[y : y + height, x : x + width], dtype=np.int16)
    np.clip(levels, 0, 255, out=levels)
    return np.asarray(levels, np.uint8)


@lru_cache(maxsize=16)
def _bank(most: float, height: int, width: int) -> NDArray[np.int16]:
    """Draw grain once: drawing it for each film would take ten times as long as adding it."""
    normal = np.random.default_rng(0).standard_normal((height, width), np.float32)
    strengths = np.linspace(0, 255 * most, _NOISES, dtype=np.float32)
    return np.asarray(np.rint(strengths[:, None, None] * normal), np.int16)


def _erased(film: Pixels, mean: float, draws: Draws) -> Pixels:
    """Paint rectangles of one grey, `mean` of them on average; `film` is written to."""
    count = min(_RECTANGLES, int(draws[0] * (round(2 * mean) + 1)))
    for draw in draws[1:].reshape(_RECTANGLES, _OF_RECTANGLE)[:count].tolist():
        top, down = _span(film.shape[0], *draw[:3])
        left, right = _span(film.shape[1], *draw[3:6])
        film[top:down, left:right] = int(256 * draw[6])
    return film


def _span(side: int, size: float, edge: float, where: float) -> tuple[int, int]:
    """Give where a rectangle begins and ends along one axis."""
    least, most = _ERASED
    length = max(1, int(side * (least + (most - least) * size)))
    room = side - length
    at_edge = 0 if where < 0.5 else room
    start = at_edge if edge < _AT_EDGE else int(where * (room + 1))
    return start, start + length
