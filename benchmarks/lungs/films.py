"""Films with outlines of their lungs: children, adults, and phantoms."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.images.lungs import SIDE
from spark_cxr.phantoms import CLASSES, draw
from spark_cxr.phantoms.anatomy import Dice, lay_out, sample_anatomy, sample_pose
from spark_cxr.phantoms.hospital import HOSPITALS, as_taken_at, seed_at
from spark_cxr.phantoms.thorax import shape_lungs

DRAWN = 400
"""Phantoms, over all classes and both drawn hospitals."""
HELD_OUT = 6
"""One child in so many is held out."""
MISLAID = frozenset(
    {
        "01E392EE-69F9-4E33-BFCE-E5C968654078.jpg",
        "1-s2.0-S1684118220300682-main.pdf-002-a2.jpg",
        "2C10A413-AABE-4807-8CCE-6A2025594067.jpg",
        "446B2CB6-B572-40AB-B01F-1910CA07086A.jpg",
        "5A78BCA9-5B7A-440D-8A4E-AE7710EA6EAD.jpg",
        "covid-19-pneumonia-24-day6.jpg",
    }
)
"""Adults whose outline lies beside their lungs, as by that of another crop: seen by eye."""


@dataclass(frozen=True)
class Outlined:
    """Films and their lungs, both as squares of `SIDE` pixels."""

    films: NDArray[np.uint8]
    lungs: NDArray[np.uint8]
    """255 on a lung, and between at its rim."""
    paths: tuple[str, ...]

    def take(self, rows: NDArray[np.bool_]) -> Outlined:
        """Take some of them."""
        paths = tuple(path for path, row in zip(self.paths, rows, strict=True) if row)
        return Outlined(self.films[rows], self.lungs[rows], paths)

    def and_also(self, other: Outlined, times: int = 1) -> Outlined:
        """Put others behind these, each so many times."""
        return Outlined(
            np.concatenate([self.films, *[other.films] * times]),
            np.concatenate([self.lungs, *[other.lungs] * times]),
            (*self.paths, *other.paths * times),
        )


def children(data: Path) -> tuple[Outlined, NDArray[np.bool_]]:
    """Read Kermany's films with an outline, and say which are held out: whole patients."""
    rows = [row for row in _rows(data / "kermany" / "manifest.csv") if row["lung_mask"]]
    held = [_is_held_out(row["patient_id"] or _examination(row["path"])) for row in rows]
    return _read(data, rows), np.array(held)


def _examination(path: str) -> str:
    """Name the examination of a film without a patient: IM-0117-0001 is the first of IM-0117."""
    return Path(path).stem.rsplit("-", 1)[0]


def _is_held_out(patient: str) -> bool:
    return hashlib.sha256(patient.encode()).digest()[0] % HELD_OUT == 0


def adults(data: Path) -> tuple[Outlined, NDArray[np.bool_]]:
    """Read Ozturk's COVID films with an outline, and say which outlines lie on the lungs."""
    found = _read(data, _rows(data / "ozturk_masks" / "manifest.csv"))
    return found, np.array([Path(path).name not in MISLAID for path in found.paths])


def _rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _read(data: Path, rows: list[dict[str, str]]) -> Outlined:
    films = np.stack([_square(data / row["path"]) for row in rows])
    lungs = np.stack([_square(data / row["lung_mask"]) for row in rows])
    return Outlined(films, lungs, tuple(row["path"] for row in rows))


def _square(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))


def phantoms() -> Outlined:
    """Draw films; their lungs go on behind the heart, as in the outlines of real films."""
    pairs = list(_drawn())
    films, lungs = (np.stack(each) for each in zip(*pairs, strict=True))
    return Outlined(films, lungs, tuple(f"phantom {number}" for number in range(DRAWN)))


def _drawn() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    for number in range(DRAWN):
        hospital, label = HOSPITALS[number % len(HOSPITALS)], CLASSES[number % len(CLASSES)]
        seed = seed_at(hospital, 31)
        drawn = as_taken_at(hospital, draw(label, seed, patient=number, size=SIDE))
        anatomy = sample_anatomy(Dice(seed, "patient", number))
        pose = sample_pose(Dice(seed, "film", number, 1))
        planes = lay_out(drawn.grey12.shape, pose)
        air = np.concatenate([shape_lungs(anatomy, pose, plane).air for plane in planes])
        film, mask = (drawn.grey12 >> 4).astype(np.uint8), (air > 0.3).astype(np.uint8) * 255
        yield _squared(film), _squared(mask)


def _squared(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(grey)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
