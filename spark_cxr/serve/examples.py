"""Films to try the page with: those that travel with the model, or drawn ones: nobody's X-ray."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from spark_cxr.model.examples import ModelExamples
from spark_cxr.model.findings import joined
from spark_cxr.phantoms import CLASSES, phantoms

SIDE = 512
SEED = 8
PNG, DICOM = "image/png", "application/dicom"
TEST_FILM, DRAWN_TEST_FILM, DRAWN = "test film", "drawn test film", "drawn"
"""What an example is: a film of the model's own test, one where all are phantoms, or neither."""
NO_FILM = "sunset.png"
"""The example that every server has."""


@dataclass(frozen=True)
class Example:
    """A file to try."""

    name: str
    title: str
    kind: str
    media_type: str
    read: Callable[[], bytes]
    known: Mapping[str, bool] | None = None
    """Whether it has each of the model's labels, where that is known and was to be learned."""

    def to_json(self) -> dict[str, Any]:
        """Give what a page has to know of it."""
        known = None if self.known is None else dict(self.known)
        return {"name": self.name, "title": self.title, "kind": self.kind, "known": known}


def examples_of(held: ModelExamples, pictures: Mapping[str, bytes]) -> dict[str, Example]:
    """Give the films of a model by name, and others that are drawn; without any, drawn ones alone.

    What is known of a drawn film is said only to models that have learned from drawn films.
    """
    own = list(_of_model(held, pictures))
    return {each.name: each for each in (*(own or _CLASSES), _dicom(held), _PHOTO)}


def _of_model(held: ModelExamples, pictures: Mapping[str, bytes]) -> Iterator[Example]:
    kind = DRAWN_TEST_FILM if held.drawn else TEST_FILM
    for number, film in enumerate(held.films, 1):
        has = joined(name for name, is_there in film.known.items() if is_there)
        yield Example(
            f"example-{number}.png", has, kind, PNG, partial(bytes, pictures[film.file]), film.known
        )


@cache
def _phantom(label: str, kind: str) -> bytes:
    """Draw the first film of a class; it is the same on every machine."""
    drawn = phantoms(len(CLASSES), seed=SEED, size=SIDE, formats=(kind,))
    return next(film.data for film in drawn if film.label == label)


@cache
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


def _dicom(held: ModelExamples) -> Example:
    label = CLASSES[0]
    labels = {name for film in held.films for name in film.known}
    known = (
        {name: name == label for name in CLASSES} if held.drawn and labels == set(CLASSES) else None
    )
    return Example(
        "drawn.dcm", f"{label}, DICOM", DRAWN, DICOM, partial(_phantom, label, "dicom"), known
    )


_CLASSES = tuple(
    Example(f"{label}.png", label, DRAWN, PNG, partial(_phantom, label, "png")) for label in CLASSES
)
_PHOTO = Example(NO_FILM, "no X-ray at all", DRAWN, PNG, _photo)
