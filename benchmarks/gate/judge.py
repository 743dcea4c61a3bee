"""What a gate makes of sources and kinds of pictures that it has not learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.gate.films import Grey, chest_films, group_of
from benchmarks.gate.pictures import Pictures
from spark_cxr.images.gate import GateNetwork, gate_view
from spark_cxr.images.prepare import resize

LARGE, LARGE_ONE_IN = 4000, 100
"""Pixels of the largest films that are tried, and of how many films one is."""
ANGLE = 15.0
TINT = np.array((0.75, 0.9, 1.0))


@dataclass(frozen=True)
class Count:
    """Pictures, and how many of them were refused."""

    refused: int
    pictures: int

    @property
    def share(self) -> float:
        """Give the share that was refused."""
        return self.refused / self.pictures


@dataclass(frozen=True)
class Judged:
    """What was refused, of films by source and change, and of other pictures by kind."""

    films: Mapping[str, Mapping[str, Count]]
    others: Mapping[str, Count]


def judge(shown: Pictures, gates: Mapping[int, GateNetwork], data: Path) -> Judged:
    """Ask each gate about the pictures that it has not learned."""
    refused, asked = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for number, film in enumerate(chest_films(data)):
        fold = group_of(film.kind)
        if fold not in gates:
            continue
        for change, grey in _changed(film.grey, number):
            is_refused = not passes(gates[fold], grey)
            asked[film.kind, change] += 1
            refused[film.kind, change] += is_refused
    films: dict[str, dict[str, Count]] = {}
    for (kind, change), count in asked.items():
        films.setdefault(kind, {})[change] = Count(refused[kind, change], count)
    return Judged(films, _others(shown, gates))


def passes(gate: GateNetwork, pixels: Grey) -> bool:
    """Tell whether a gate takes a picture for a chest film."""
    return gate.margin(gate_view(pixels)) >= gate.limit


def _others(shown: Pictures, gates: Mapping[int, GateNetwork]) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for fold, gate in gates.items():
        rows = (shown.folds == fold) & ~shown.is_film
        for kind in sorted(set(shown.kinds[rows].tolist())):
            views = shown.views[rows & (shown.kinds == kind)]
            margins = np.array([gate.margin(view) for view in views])
            found[kind] = Count(int((margins < gate.limit).sum()), len(views))
    return found


def _changed(film: Grey, number: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    rng = np.random.default_rng([28, number])
    for name, change in CHANGES.items():
        yield name, change(film, rng)
    if number % LARGE_ONE_IN == 0:
        yield f"{LARGE:,} pixels", resize(film, (LARGE, LARGE * film.shape[1] // film.shape[0]))


def _cropped(film: Grey, rng: np.random.Generator) -> Grey:
    """Keep four fifths of each side, anywhere."""
    height, width = (side * 4 // 5 for side in film.shape)
    top, left = (int(rng.integers(0, side - side * 4 // 5 + 1)) for side in film.shape)
    return film[top : top + height, left : left + width]


def _turned(film: Grey, rng: np.random.Generator) -> Grey:
    angle = float(rng.choice((-ANGLE, ANGLE)))
    return np.asarray(Image.fromarray(film).rotate(angle, Image.Resampling.BILINEAR))


CHANGES: dict[str, Callable[[Grey, np.random.Generator], NDArray[np.uint8]]] = {
    "as it is": lambda film, _: film,
    "tinted": lambda film, _: (film[..., None] * TINT).astype(np.uint8),
    "negative": lambda film, _: 255 - film,
    "cropped to 80 %": _cropped,
    "turned by 15°": _turned,
    "64 pixels": lambda film, _: resize(film, (64, 64)),
}
