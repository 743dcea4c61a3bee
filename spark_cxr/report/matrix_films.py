"""The section of a page with the films of each cell of the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

from spark_cxr.metrics.matrix_films import FALSE_ALARM, MISSED, CellFilm, MatrixCell, MatrixFilms
from spark_cxr.metrics.wording import counted, percent
from spark_cxr.report.html import Html, element, figure, join, picture, section
from spark_cxr.report.plots import cell_id

Cell = tuple[int, int]
NOTHING = Html("")
LINKS = 24
"""Of the cells with the most mistakes; the cells of the drawing lead to all."""


def linked_cells(found: MatrixFilms | None, labels: Sequence[str]) -> frozenset[Cell]:
    """Name the cells, by row and column, whose films the page has."""
    if found is None:
        return frozenset()
    place = {label: number for number, label in enumerate(labels)}
    return frozenset(
        (place[cell.true], place[cell.predicted])
        for cell in found.cells
        if cell.films and cell.true in place and cell.predicted in place
    )


def matrix_films(found: MatrixFilms | None, labels: Sequence[str]) -> Html:
    """List all mistakes, and some right answers, cell by cell; nothing where there is no film.

    Args:
        found: What the cells hold.
        labels: Classes in the order of the matrix, or findings.
    """
    if found is None or not any(cell.films for cell in found.cells):
        return NOTHING
    cells = sorted(found.cells, key=lambda cell: (cell.is_right, -cell.count))
    named = [(_id(cell, labels), cell) for cell in cells if cell.films]
    links = [("all-mistakes", f"All {counted(found.wrong, 'mistake')}")] if found.wrong else []
    links += [(name, f"{_title(cell)}: {cell.count:,}") for name, cell in named[:LINKS]]
    listed = (element("li", element("a", words, href=f"#{name}")) for name, words in links)
    return section(
        "All mistakes, cell by cell",
        element("p", " ".join(_lead(found)), id="all-mistakes", tabindex="-1"),
        element("nav", element("ul", *listed), class_="cells", aria_label="Cells of the matrix"),
        element("div", *(_cell(*each) for each in named), class_="cell-films"),
    )


def _lead(found: MatrixFilms) -> list[str]:
    were = "answer was" if found.wrong == 1 else "answers were"
    said = [f"{found.wrong:,} {were} wrong on the test films."]
    where = f"the table {found.table} beside this page"
    if not found.wrong:
        said = ["No answer was wrong on the test films."]
    elif found.listed < found.wrong:
        said.append(
            f"Listed here: {found.listed:,} of them, small cells first and within a cell chosen by "
            f"a hash of the path; all are in {where}."
        )
    else:
        said.append(f"All are listed here, and are in {where}.")
    if found.pictured:
        said.append(f"Pictures: {found.pictured:,}, of films that a hash chose.")
    if any(cell.is_right for cell in found.cells):
        said.append("Of right answers a few stand for all.")
    return said


def _title(cell: MatrixCell) -> str:
    if cell.is_right:
        return f"{cell.true}, recognised"
    kind = cell.predicted
    return f"{cell.true}, {kind}" if _is_of_finding(cell) else f"{cell.true} taken for {kind}"


def _is_of_finding(cell: MatrixCell) -> bool:
    return cell.predicted in (MISSED, FALSE_ALARM)


def _id(cell: MatrixCell, labels: Sequence[str]) -> str:
    true = labels.index(cell.true)
    if _is_of_finding(cell):
        return cell_id(true, int(cell.predicted == MISSED))
    return cell_id(true, labels.index(cell.predicted))


def _cell(name: str, cell: MatrixCell) -> Html:
    shown = "" if len(cell.films) == cell.count else f", {len(cell.films):,} of them shown"
    words = f"{_title(cell)}: {counted(cell.count, 'film')}{shown}"
    pictured = [_film(cell, film) for film in cell.films if film.image]
    others = [element("li", _caption(film)) for film in cell.films if not film.image]
    kind = "right" if cell.is_right else "wrong"
    return element(
        "div",
        element("h3", words),
        element("div", *pictured, class_="films") if pictured else NOTHING,
        element("ul", *others, class_="paths") if others else NOTHING,
        id=name,
        tabindex="-1",
        class_="cell",
        data_kind=kind,
    )


def _film(cell: MatrixCell, film: CellFilm) -> Html:
    return figure(picture(film.image, f"Test film, {_title(cell)}"), _caption(film), class_="film")


def _caption(film: CellFilm) -> Html:
    return join([f"{percent(film.probability)} ", element("code", film.path)])
