"""Pictures that come out of no camera: text, plots, textures, shapes, noise, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.gate.films import Grey

Rng = np.random.Generator
SIZE = 160
_LETTERS = "etaoinshrdlucmfwypvbgkjqxz ETAOINS 0123456789 .,;:-()%"


def pattern(kind: str, rng: Rng) -> Grey:
    """Draw one picture of a kind of `PATTERNS`."""
    size_hw = (int(SIZE * rng.uniform(0.7, 1.3)), SIZE)
    return PATTERNS[kind](size_hw, rng)


def _levels(values: np.ndarray[tuple[int, int], np.dtype[np.floating]], rng: Rng) -> Grey:
    """Spread values over some part of the greys."""
    low, high = np.sort(rng.uniform(0, 255, 2))
    reach = max(float(np.ptp(values)), 1e-9)
    return (
        np.asarray(low + (values - values.min()) / reach * max(high - low, 20), np.float64)
        .clip(0, 255)
        .astype(np.uint8)
    )


def _text(size_hw: tuple[int, int], rng: Rng) -> Grey:
    paper, ink = (255, 0) if rng.random() < 0.7 else (0, 255)
    image = Image.new("L", size_hw[::-1], paper)
    pen, y = ImageDraw.Draw(image), int(rng.integers(2, 20))
    while y < size_hw[0]:
        font = ImageFont.load_default(float(rng.choice((6, 8, 8, 10, 14, 22))))
        count = int(rng.integers(1, 60))
        line = "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), count))
        pen.text((int(rng.integers(2, 30)), y), line, fill=ink, font=font)
        y += int(rng.integers(7, 26))
    return np.asarray(image)


def _plot(size_hw: tuple[int, int], rng: Rng) -> Grey:
    image = Image.new("L", size_hw[::-1], int(rng.choice((255, 255, 235, 0))))
    pen, (height, width) = ImageDraw.Draw(image), size_hw
    ink = 0 if image.getpixel((0, 0)) else 255
    pen.rectangle((20, 10, width - 10, height - 20), outline=ink)
    for series in range(int(rng.integers(1, 5))):
        level, count = int(rng.integers(0, 200)), int(rng.integers(4, 40))
        x = np.linspace(22, width - 12, count)
        y = np.clip(height / 2 + np.cumsum(rng.normal(0, height / 20, count)), 12, height - 22)
        if rng.random() < 0.5:
            pen.line(list(zip(x, y, strict=True)), fill=level, width=int(rng.integers(1, 4)))
        else:
            wide = (width - 34) / count * 0.7
            for left, top in zip(x, y, strict=True):
                pen.rectangle((left, top, left + wide, height - 20), fill=level + 10 * series)
    return np.asarray(image)


def _shapes(size_hw: tuple[int, int], rng: Rng) -> Grey:
    image = Image.new("L", size_hw[::-1], int(rng.integers(256)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 25))):
        places = rng.uniform(-0.2, 1.2, (2, 2)) * size_hw[::-1]
        (left, top), (right, bottom) = np.sort(places, axis=0)
        draw = (pen.ellipse, pen.rectangle)[int(rng.integers(2))]
        draw((left, top, right + 2, bottom + 2), fill=int(rng.integers(256)))
    return np.asarray(image)


def _two_ovals(size_hw: tuple[int, int], rng: Rng) -> Grey:
    """Draw two dark fields on a bright ground, as a child draws lungs."""
    down, across = np.mgrid[-1 : 1 : size_hw[0] * 1j, -1 : 1 : size_hw[1] * 1j]
    picture = np.full(size_hw, rng.uniform(140, 255))
    for sign in (-1, 1):
        x, y = sign * rng.uniform(0.3, 0.5), rng.uniform(-0.2, 0.2)
        wide, high = rng.uniform(0.15, 0.35), rng.uniform(0.3, 0.8)
        picture[((across - x) / wide) ** 2 + ((down - y) / high) ** 2 < 1] = rng.uniform(0, 110)
    return picture.astype(np.uint8)


def _checks(size_hw: tuple[int, int], rng: Rng) -> Grey:
    down, across = np.mgrid[: size_hw[0], : size_hw[1]]
    step = rng.uniform(3, 40, 2)
    return _levels(((down // step[0] + across // step[1]) % 2).astype(float), rng)


def _stripes(size_hw: tuple[int, int], rng: Rng) -> Grey:
    down, across = np.mgrid[: size_hw[0], : size_hw[1]]
    angle, waves = rng.uniform(0, np.pi), rng.uniform(0.02, 1.2, 2)
    turned = np.cos(angle) * across + np.sin(angle) * down
    return _levels(np.sin(turned * waves[0]) + rng.choice((0, 1)) * np.sin(down * waves[1]), rng)


def _ramp(size_hw: tuple[int, int], rng: Rng) -> Grey:
    down, across = np.mgrid[-1 : 1 : size_hw[0] * 1j, -1 : 1 : size_hw[1] * 1j]
    x, y, bow = rng.normal(0, 1, 3)
    return _levels(x * across + y * down + bow * (across**2 + down**2), rng)


def _noise(size_hw: tuple[int, int], rng: Rng) -> Grey:
    """Draw noise whose strength falls with frequency, from white to clouds."""
    down = np.fft.fftfreq(size_hw[0])[:, None]
    across = np.fft.rfftfreq(size_hw[1])[None]
    far = np.maximum(np.hypot(down, across), 1 / SIZE)
    wave = np.fft.rfft2(rng.standard_normal(size_hw)) / far ** rng.uniform(0, 2.5)
    return _levels(np.fft.irfft2(wave, size_hw), rng)


def _cells(size_hw: tuple[int, int], rng: Rng) -> Grey:
    """Draw cells around places, as tissue under a microscope or cracked soil has them."""
    places = rng.uniform(0, 1, (int(rng.integers(5, 80)), 2)) * size_hw
    down, across = np.mgrid[: size_hw[0], : size_hw[1]]
    far = np.hypot(down[..., None] - places[:, 0], across[..., None] - places[:, 1])
    near = np.sort(far, axis=-1)[..., :2]
    return _levels(near[..., 0] if rng.random() < 0.5 else near[..., 1] - near[..., 0], rng)


def _blank(size_hw: tuple[int, int], rng: Rng) -> Grey:
    level = int(rng.choice((0, 0, 255, int(rng.integers(256)))))
    grain = rng.normal(0, rng.choice((0, 0, 1, 4)), size_hw)
    return np.clip(level + grain, 0, 255).astype(np.uint8)


PATTERNS: dict[str, Callable[[tuple[int, int], Rng], Grey]] = {
    "text": _text,
    "plot": _plot,
    "shapes": _shapes,
    "two ovals": _two_ovals,
    "checks": _checks,
    "stripes": _stripes,
    "ramp": _ramp,
    "noise": _noise,
    "cells": _cells,
    "blank": _blank,
}
