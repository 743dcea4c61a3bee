"""The films behind a confusion matrix: which lie in each cell, as far as a page has room."""

from dataclasses import dataclass

MISSED, FALSE_ALARM = "missed", "false alarm"
"""What a wrong answer about a finding is."""


@dataclass(frozen=True)
class CellFilm:
    """One test film of a cell."""

    path: str
    """The name of its file."""
    probability: float
    """Of the predicted class; of the finding, where the cell is of one."""
    image: bytes = b""
    """A small PNG or JPEG; may be left out."""


@dataclass(frozen=True)
class MatrixCell:
    """The test films with one truth and one answer."""

    true: str
    """The class, or the finding."""
    predicted: str
    """The class; of a finding `MISSED` or `FALSE_ALARM`."""
    count: int
    films: tuple[CellFilm, ...]
    """Those that are listed: all, or those that a hash of their path has chosen."""

    @property
    def is_right(self) -> bool:
        """Say whether the answer was right."""
        return self.true == self.predicted


@dataclass(frozen=True)
class MatrixFilms:
    """The films of all cells that have any."""

    cells: tuple[MatrixCell, ...]
    table: str = "predictions"
    """Where all of them are, beside the page."""

    @property
    def wrong(self) -> int:
        """Count the wrong answers."""
        return sum(cell.count for cell in self.cells if not cell.is_right)

    @property
    def listed(self) -> int:
        """Count those of them that are listed."""
        return sum(len(cell.films) for cell in self.cells if not cell.is_right)

    @property
    def pictured(self) -> int:
        """Count the films of which there is a picture."""
        return sum(bool(film.image) for cell in self.cells for film in cell.films)
