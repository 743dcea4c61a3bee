"""Chest films of many sources as the gate is to know them: as they are, and as they come about.

A film is of a group: sources that share films, or may, are learned or left out together.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.phantoms import CLASSES, draw
from spark_cxr.phantoms.hospital import HOSPITALS, as_taken_at, seed_at

Grey = NDArray[np.uint8]
SIDE = 192
"""Longer side at which pictures are changed: three times what the gate sees."""
GROUPS = {
    "Radiography COVID": "COVID",
    "Cohen": "COVID",
    "Radiography Normal": "adults",
    "NIH": "adults",
    "Radiography Viral Pneumonia": "children",
    "Kermany": "children",
    "Radiography Tuberculosis": "tuberculosis",
    "phantoms": "phantoms",
}
"""Which sources go together: Radiography's normal films are partly NIH's, its COVID films partly
Cohen's, and its viral pneumonia is Kermany's."""
DRAWN = 600
"""Phantoms, over all classes and both drawn hospitals."""


def group_of(source: str) -> int:
    """Number the group of a source."""
    return [*dict.fromkeys(GROUPS.values())].index(GROUPS[source])


@dataclass(frozen=True)
class Picture:
    """A picture, what it shows, and whether it is a chest film."""

    kind: str
    """Source of a film, or what else it is."""
    grey: Grey
    is_film: bool


def chest_films(data: Path) -> Iterator[Picture]:
    """Read all films of the shared data, and draw phantoms."""
    for row in _rows(data / "manifest.csv"):
        yield Picture(_source(row), _read(data / row["path"]), is_film=True)
    for row in _rows(data / "kermany" / "manifest.csv"):
        if not row["twin_in_radiography"]:
            yield Picture("Kermany", _read(data / row["path"]), is_film=True)
    for number in range(DRAWN):
        hospital = HOSPITALS[number % len(HOSPITALS)]
        label = CLASSES[number % len(CLASSES)]
        drawn = draw(label, seed_at(hospital, 24), patient=number, size=SIDE)
        grey = as_taken_at(hospital, drawn).grey12 >> 4
        yield Picture("phantoms", grey.astype(np.uint8), is_film=True)


def _rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _source(row: dict[str, str]) -> str:
    if row["path"].startswith("ozturk/"):
        return "NIH" if row["source"] == "nih-chestxray14" else "Cohen"
    return f"Radiography {row['label']}"


def _read(path: Path) -> Grey:
    with Image.open(path) as image:
        return np.asarray(shrunk(image.convert("L")))


def shrunk(image: Image.Image, side: int = SIDE) -> Image.Image:
    """Bring the longer side to `side` at most."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)
