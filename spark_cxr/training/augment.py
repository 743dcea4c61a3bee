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
_LEVELS = np.arange(256) / 255.0
_NOISES = 8
"""Strengths of noise in the bank, evenly up to the largest."""
_MARGIN = 64
"""Pixels by which the noise of the bank is larger than a film, so that it can be shifted."""
_ERASED = (0.07, 0.25)
"""Sides of a rectangle, as shares of the film's."""
_AT_EDGE = 0.7
"""Probability for each axis that a rectangle lies at an edge: 49 % lie in corners, 42 % elsewhere
on the border, where letters, markers and black margins are."""


def augment(film: Pixels, strengths: Augment, rng: Rng) -> Pixels:
    """Change a grey film at random, within these strengths."""
    if strengths.is_none:
        return film
    draws = rng.uniform(-1, 1, 9)
    moved = _moved(film, strengths, draws[:5])
    if strengths.mirror and rng.random() < 0.5:
        moved = moved[:, ::-1]
    lit = np.take(_curve(strengths, draws[5:8]), moved)
    noisy = _noisy(lit, strengths.noise, rng) if strengths.noise else lit
    return _erased(noisy, strengths.erase, rng) if strengths.erase else noisy


def _moved(film: Pixels, strengths: Augment, draws: NDArray[np.float64]) -> Pixels:
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
    moved = image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(moved)


def _curve(strengths: Augment, draws: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Give the new grey level of each grey level."""
    bent = _LEVELS ** np.exp(strengths.gamma * draws[0])
    levels = (bent - 0.5) * np.exp(strengths.contrast * draws[1]) + 0.5
    levels += strengths.brightness * draws[2]
    return np.asarray(np.clip(255 * levels + 0.5, 0, 255), np.uint8)


def _noisy(film: Pixels, most: float, rng: Rng) -> Pixels:
    """Add grain: a piece of the bank, of one of its strengths."""
    height, width = film.shape
    strength, y, x = rng.integers(0, (_NOISES, _MARGIN, _MARGIN))
    grain = _bank(most, height + _MARGIN, width + _MARGIN)[strength]
    levels = np.add(film, grain[y : y + height, x : x + width], dtype=np.int16)
    np.clip(levels, 0, 255, out=levels)
    return np.asarray(levels, np.uint8)


@lru_cache(maxsize=4)
def _bank(most: float, height: int, width: int) -> NDArray[np.int16]:
    """Draw grain once: drawing it for each film would take ten times as long as adding it."""
    normal = np.random.default_rng(0).standard_normal((height, width), np.float32)
    strengths = np.linspace(0, 255 * most, _NOISES, dtype=np.float32)
    return np.asarray(np.rint(strengths[:, None, None] * normal), np.int16)


def _erased(film: Pixels, mean: float, rng: Rng) -> Pixels:
    """Paint rectangles of one grey, `mean` of them on average; `film` is written to."""
    sides = np.asarray(film.shape)
    for _ in range(int(rng.integers(0, round(2 * mean) + 1))):
        size = np.maximum(1, sides * rng.uniform(*_ERASED, 2)).astype(int)
        room = sides - size
        at_edge = rng.random(2) < _AT_EDGE
        top, left = np.where(at_edge, room * rng.integers(0, 2, 2), rng.integers(0, room + 1))
        film[top : top + size[0], left : left + size[1]] = rng.integers(0, 256)
    return film
