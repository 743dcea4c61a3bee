"""All pictures that the gate learns from and is judged by, as it sees them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.bones import BONES, drawn_bones
from benchmarks.gate.changes import as_it_comes, spoiled
from benchmarks.gate.films import GROUPS, Grey, Picture, chest_films, group_of
from benchmarks.gate.found import pictures
from benchmarks.gate.patterns import PATTERNS, pattern
from spark_cxr.images.gate import gate_view

CHANGED = 2
"""Times each film is shown, once as it is."""
SPOILED = 1
BONES_EACH, PATTERNS_EACH, FOUND_EACH = 300, 250, 8
FOLDS = 4
"""Groups of sources, and as many of what is no film."""


@dataclass(frozen=True)
class Pictures:
    """Pictures as arrays."""

    views: NDArray[np.uint8]
    kinds: NDArray[np.str_]
    is_film: NDArray[np.bool_]
    is_plain: NDArray[np.bool_]
    """Shown as it is."""

    @property
    def folds(self) -> NDArray[np.int64]:
        """Say with which pictures each is left out; -1: never (drawn films)."""
        of_films = {source: group_of(source) for source in GROUPS}
        others = sorted(set(self.kinds[~self.is_film].tolist()))
        found = of_films | {kind: number % FOLDS for number, kind in enumerate(others)}
        folds = np.array([found[kind] for kind in self.kinds.tolist()])
        return np.where(folds < FOLDS, folds, -1)


def gathered(data: Path, downloads: Path, file: Path) -> Pictures:
    """Make the pictures, or read those that were made before."""
    if not file.is_file():
        rows = list(_rows(data, downloads))
        views, kinds, is_film, is_plain = (np.array(each) for each in zip(*rows, strict=True))
        np.savez(file, views=views, kinds=kinds, is_film=is_film, is_plain=is_plain)
    with np.load(file) as stored:
        return Pictures(**{name: stored[name] for name in stored.files})


def _rows(data: Path, downloads: Path) -> Iterator[tuple[Grey, str, bool, bool]]:
    for number, film in enumerate(chest_films(data)):
        rng = np.random.default_rng([24, number])
        yield gate_view(film.grey), film.kind, True, True
        for _ in range(CHANGED - 1):
            yield gate_view(as_it_comes(film.grey, rng)), film.kind, True, False
        for _ in range(SPOILED):
            kind, grey = spoiled(film.grey, rng)
            yield gate_view(grey), kind, False, True
    for number, picture in enumerate(_others(downloads)):
        rng = np.random.default_rng([25, number, zlib.crc32(picture.kind.encode())])
        is_plain = bool(rng.random() < 0.5)
        grey = picture.grey if is_plain else as_it_comes(picture.grey, rng)
        yield gate_view(grey), picture.kind, False, is_plain


def _others(downloads: Path) -> Iterator[Picture]:
    for kind in BONES:
        yield from _of_kind(kind, (drawn_bones(kind, n) for n in range(BONES_EACH)))
    for kind in PATTERNS:
        draws = (np.random.default_rng([26, n]) for n in range(PATTERNS_EACH))
        yield from _of_kind(kind, (pattern(kind, rng) for rng in draws))
    for kind, name, grey in pictures(downloads):
        for number in range(FOUND_EACH):
            rng = np.random.default_rng([27, number, zlib.crc32(name.encode())])
            yield Picture(kind, grey if not number else _cut(grey, rng), is_film=False)


def _of_kind(kind: str, greys: Iterable[Grey]) -> Iterator[Picture]:
    return (Picture(kind, grey, is_film=False) for grey in greys)


def _cut(grey: Grey, rng: np.random.Generator) -> Grey:
    """Cut a piece out of a found picture, and turn it: there are few of them."""
    height, width = grey.shape
    share = rng.uniform(0.35, 1, 2)
    down, across = max(16, int(height * share[0])), max(16, int(width * share[1]))
    top, left = (
        int(rng.integers(0, max(1, n - m + 1))) for n, m in ((height, down), (width, across))
    )
    piece = np.rot90(grey[top : top + down, left : left + across], int(rng.choice((0, 0, 1, 2, 3))))
    return piece[:, ::-1] if rng.random() < 0.5 else piece
