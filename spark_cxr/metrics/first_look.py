"""What is seen of films before anything is learned from them: counts, pictures, warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.metrics.checks import FAIL, WARN, Check
from spark_cxr.metrics.ranks import area_under_roc
from spark_cxr.metrics.vector_map import VectorMap
from spark_cxr.metrics.wording import counted, percent

TELLS = 0.8
"""AUC from which one number of a film tells its class so well that a network may read that."""
FEW = 10
"""Films of a class below which nothing is said of their brightness."""
NO_LABEL = "(no label)"


@dataclass(frozen=True)
class CountTable:
    """How many films there are of each class, by something else."""

    by: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    """Of each class, the films of each column."""


@dataclass(frozen=True)
class SampledClass:
    """Some films of a class, drawn by hash."""

    label: str
    films: int
    """Of this class in all."""
    brightness: NDArray[np.float64]
    """The mean grey level of each film that was drawn, from 0 to 1."""
    contrast: NDArray[np.float64]
    """The standard deviation of the grey levels of each."""
    montage: tuple[bytes, ...]
    """A few of them, small."""


@dataclass(frozen=True)
class MeanFilm:
    """All drawn films of a class and source laid over each other."""

    label: str
    source: str
    films: int
    image: bytes


@dataclass(frozen=True)
class FilmOfPair:
    """One of two films that are one."""

    name: str
    label: str | None
    source: str | None
    image: bytes
    """Empty where it is not to be had any more."""


@dataclass(frozen=True)
class NearPair:
    """Two films that are one."""

    kind: str
    likeness: float | None
    films: tuple[FilmOfPair, FilmOfPair]

    @property
    def is_conflict(self) -> bool:
        """Tell two labels of what is one film."""
        one, other = (film.label for film in self.films)
        return one is not None and other is not None and one != other


@dataclass(frozen=True)
class SetAside:
    """Files that are no films to work with, of one reason."""

    reason: str
    files: int
    examples: tuple[tuple[str, str, bytes], ...]
    """Name and detail of the first few, and each small as JPEG, where it can be drawn."""


@dataclass(frozen=True)
class FirstLook:
    """All of it."""

    name: str
    files: int
    images: int
    patients: int
    without_patient: int
    most_of_patient: int
    """Films of the patient who has the most."""
    tables: tuple[CountTable, ...]
    classes: tuple[SampledClass, ...]
    means: tuple[MeanFilm, ...]
    sizes: tuple[tuple[str, str], ...]
    """Of each class, how large its films are."""
    missing: tuple[tuple[str, int], ...]
    """What is not known, and of how many films."""
    pairs: tuple[NearPair, ...]
    n_pairs: int
    n_conflicts: int
    maps: tuple[VectorMap, ...]
    """Of the vectors, where there are some."""
    quarantine: tuple[SetAside, ...]
    checks: tuple[Check, ...]
    setup: tuple[tuple[str, str], ...]
    sampled: int
    """Films whose pixels were looked at."""

    def warnings(self) -> Iterator[str]:
        """Say in words what one should know before training on these films."""
        yield from (each.sentence for each in self.checks if each.status in (FAIL, WARN))
        if self.files and self.files - self.images > 0.05 * self.files:
            share = percent((self.files - self.images) / self.files)
            yield f"{share} of the files are no films to work with."
        yield from _telling(self.classes, "brightness")
        yield from _telling(self.classes, "contrast")

    def lines(self) -> Iterator[str]:
        """Give the counts for the console."""
        table = self.tables[0] if self.tables else None
        if table and len(table.columns) <= 6:
            width = max(len(label) for label, _ in table.rows)
            heads = " ".join(f"{name[:14]:>14}" for name in table.columns)
            yield f"  {table.by:<{width}} {heads}"
            for label, counts in table.rows:
                yield f"  {label:<{width}} " + " ".join(f"{n:>14,}" for n in counts)
        said = list(self.warnings())
        if said:
            yield f"{counted(len(said), 'warning')} in films.html, the first: {said[0]}"


def _telling(classes: Sequence[SampledClass], what: str) -> Iterator[str]:
    """Name the pairs of classes that one number tells apart."""
    known = [
        each for each in classes if len(each.brightness) >= FEW and not each.label.startswith("(")
    ]
    found = []
    for place, one in enumerate(known):
        for other in known[place + 1 :]:
            numbers = np.concatenate([getattr(one, what), getattr(other, what)])
            is_one = np.arange(len(numbers)) < len(getattr(one, what))
            auc = area_under_roc(is_one, numbers)
            if auc is not None and max(auc, 1 - auc) >= TELLS:
                found.append((max(auc, 1 - auc), one.label, other.label))
    if found:
        auc, one_label, other_label = max(found)
        yield (
            f"The {what} of a film alone tells {one_label} from {other_label} with an AUC of "
            f"{auc:.2f}: a network may read that instead of disease."
        )
