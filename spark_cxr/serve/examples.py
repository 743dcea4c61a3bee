"""Drawn films to try the page with, and a picture that is none: nobody's X-ray."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from spark_cxr.phantoms import CLASSES, phantoms

SIDE = 512
SEED = 8


@dataclass(frozen=True)
class Example:
    """A file to try."""

    name: str
    told: str
    media_type: str
    draw: Callable[[], bytes]


def _phantom(label: str, kind: str) -> bytes:
    """Draw the first film of a class."""
    drawn = phantoms(len(CLASSES), seed=SEED, size=SIDE, formats=(kind,))
    return next(film.data for film in drawn if film.label == label)


def _photo() -> bytes:
    """Draw a coloured picture: a sunset over water."""
    from PIL import Image

    rows = np.linspace(0, 1, SIDE)[:, None, None] * np.ones((1, SIDE, 1))
    sky, sea = np.array([250, 140, 40]), np.array([20, 60, 150])
    picture = np.where(rows < 0.55, sky * (1 - rows / 2), sea * (1.3 - rows / 2))
    away = np.hypot(*np.meshgrid(np.arange(SIDE) - SIDE / 2, np.arange(SIDE) - SIDE * 0.42))
    picture[away < SIDE / 9] = (255, 230, 120)
    written = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


_KNOWN = (
    *(
        Example(f"{label}.png", f"drawn, {label}", "image/png", partial(_phantom, label, "png"))
        for label in CLASSES
    ),
    Example(
        "drawn.dcm", "drawn, DICOM", "application/dicom", partial(_phantom, CLASSES[0], "dicom")
    ),
    Example("sunset.png", "no X-ray at all", "image/png", _photo),
)
EXAMPLES = {example.name: example for example in _KNOWN}


@cache
def drawn(name: str) -> bytes:
    """Draw an example once; it is the same on every machine."""
    return EXAMPLES[name].draw()
