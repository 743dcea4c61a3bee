"""What the page of nearest films shows, as records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spark_cxr.metrics.results import Row


@dataclass(frozen=True)
class NeighbourPicture:
    """A film beside another, as a page shows it."""

    name: str
    """Of its file, without folders."""
    label: str | None
    source: str | None
    cosine: float
    image: bytes = b""
    """A small PNG or JPEG; empty where none is wanted or the file is gone."""


@dataclass(frozen=True)
class FilmNeighbours:
    """A film, and those that are most like it."""

    name: str
    neighbours: tuple[NeighbourPicture, ...]
    itself: int = 0
    """Films with its very bytes among the vectors, which are left out."""
    image: bytes = b""

    @property
    def labels(self) -> tuple[tuple[str, int], ...]:
        """Count the labels of its neighbours, the commonest first."""
        counts = Counter(each.label for each in self.neighbours if each.label is not None)
        return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True)
class NeighboursReport:
    """All that the page shows."""

    films: tuple[FilmNeighbours, ...]
    setup: tuple[Row, ...]
    """Network, vectors, and how it ran."""
    caveats: tuple[str, ...] = ()
