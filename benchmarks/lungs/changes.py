"""A film and the outline of its lungs as another day, place and disease would have given them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from spark_cxr.images.lungs import SIDE
from spark_cxr.images.small_network import evened_view
from spark_cxr.training.augment import augment
from spark_cxr.training.recipe import Augment

Rng = np.random.Generator
Square = NDArray[np.uint8]
TONES = Augment(
    zoom=0, shift=0, rotation=0, brightness=0.1, contrast=0.3, gamma=0.5, noise=0.03, erase=1.0
)
"""What is changed of the film alone; `erase` paints markers, borders and stickers."""


def changed(film: Square, lungs: Square, rng: Rng) -> tuple[Square, Square]:
    """Change both."""
    if rng.random() < 0.5:
        film, lungs = film[:, ::-1], lungs[:, ::-1]
    film, lungs = _moved(film, lungs, rng)
    if rng.random() < 0.35:
        film = dense(film, lungs, rng)
    if rng.random() < 0.3:
        film = _with_tubes(film, rng)
    film = augment(film, TONES, rng)
    if rng.random() < 0.08:
        film = 255 - film
    if rng.random() < 0.15:
        film = np.asarray(
            Image.fromarray(film).filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2)))
        )
    return evened_view(film, SIDE), lungs


def _moved(film: Square, lungs: Square, rng: Rng) -> tuple[Square, Square]:
    """Turn, stretch and shift both: from a close crop to a child on a large cassette."""
    angle = np.deg2rad(rng.normal(0, 6))
    zoom, aspect = np.exp(rng.normal(0, 0.16)), np.exp(rng.normal(0, 0.14))
    cos, sin, middle = np.cos(angle) * zoom, np.sin(angle) * zoom, SIDE / 2
    across, down = (cos, -sin), (sin * aspect, cos * aspect)
    shift = rng.normal(0, 0.06, 2)
    left = middle * (1 + 2 * shift[0]) - sum(across) * middle
    top = middle * (1 + 2 * shift[1]) - sum(down) * middle
    matrix, size = (*across, left, *down, top), (SIDE, SIDE)
    how = (Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    level = int(rng.choice((0, 0, 0, 255, int(np.median(film)))))
    moved = Image.fromarray(np.ascontiguousarray(film)).transform(size, *how, fillcolor=level)
    outline = Image.fromarray(np.ascontiguousarray(lungs)).transform(size, *how)
    return np.asarray(moved), np.asarray(outline)


def dense(film: Square, lungs: Square, rng: Rng, least: float = 0.0) -> Square:
    """Paint consolidation over the lungs: clouds, or a whole side, up to white."""
    knots = rng.random((int(rng.integers(2, 7)),) * 2).astype(np.float32)
    clouds = np.asarray(Image.fromarray(knots).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    soft = np.asarray(Image.fromarray(lungs).filter(ImageFilter.GaussianBlur(3)), np.float64) / 255
    strength = rng.uniform(max(0.3, least), 1.0)
    share = np.clip(clouds * 1.6 - 0.4 * rng.random() + least, 0, 1) * strength * soft
    if rng.random() < 0.3:  # one side alone
        half = np.arange(SIDE) < SIDE / 2
        share = share * (half if rng.random() < 0.5 else ~half)
    level = np.quantile(film, 0.9) * rng.uniform(0.8, 1.05)
    return np.asarray(np.clip(film + share * (level - film), 0, 255), np.uint8)


def _with_tubes(film: Square, rng: Rng) -> Square:
    """Lay wires and tubes over it: bright lines that bend."""
    film = film.copy()
    for _ in range(int(rng.integers(1, 4))):
        place = np.cumsum(rng.normal(0, 1.2, SIDE)) + rng.uniform(0, SIDE)
        rows, columns = np.arange(SIDE), np.clip(place, 0, SIDE - 2).astype(int)
        if rng.random() < 0.3:
            rows, columns = columns, rows
        level = rng.integers(150, 256)
        for wide in range(int(rng.integers(1, 3))):
            film[rows, np.minimum(columns + wide, SIDE - 1)] = level
    return film
