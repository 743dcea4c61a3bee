"""Bytes of an image → what the network is to see, and what the page is to show of it."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.errors import BadImage
from spark_cxr.images.film import Film, Limits, Pixels
from spark_cxr.images.film_pass import Content, Shown, opener
from spark_cxr.images.overlay import LONGEST, bounded
from spark_cxr.images.png import encode_png
from spark_cxr.images.prepare import scaled
from spark_cxr.model.predictor import Picture, look_at_film


@dataclass(frozen=True)
class FileFacts:
    """What the file of a film says, as far as it may be told: no tag of a patient."""

    format: str
    width: int
    height: int
    bits: int
    view: str | None


@dataclass(frozen=True)
class Look:
    """A film that is ready for the network."""

    picture: Picture
    pixels: Pixels
    file: FileFacts
    png: bytes | None = None
    """The film in 8 bits, for a browser; made only where it was asked for."""
    grey: Pixels | None = None
    """The film as a picture of its heat has it, no larger than a screen; only where that was asked
    for."""


def look(
    content: bytes,
    shows: bool = False,
    explains: bool = False,
    *,
    limits: Limits,
    size_hw: tuple[int, int],
) -> Look | BadImage:
    """Decode an image once, make it ready, and keep what is to be shown of it."""

    def look_at(_: Content, __: Content, film: Film) -> Shown[Look | BadImage]:
        picture, pixels = look_at_film(film.pixels, film.flags, size_hw)
        height, width = film.pixels.shape[:2]
        file = FileFacts(film.format, width, height, film.bits, film.view)
        png = draw(film) if shows else None
        grey = bounded(film.pixels, LONGEST) if explains else None
        return Shown(Look(picture, pixels, file, png, grey))

    return opener(look_at, lambda _, __, bad: bad, limits)(Content(content)).note


def draw(film: Film) -> bytes:
    """Write a film as PNG, no larger than a screen, with nothing of its file but the pixels."""
    pixels = film.pixels
    return encode_png(scaled(pixels, LONGEST) if max(pixels.shape[:2]) > LONGEST else pixels)
