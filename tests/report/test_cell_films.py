"""The section with the films of each cell: links, counts, and what is not listed."""

import dataclasses
import re

import pytest

from spark_cxr.metrics.matrix_films import FALSE_ALARM, MISSED, CellFilm, MatrixCell, MatrixFilms
from spark_cxr.report.matrix_films import linked_cells, matrix_films
from spark_cxr.report.training import training_page
from tests.report.conftest import PNG
from tests.report.outline import read

LABELS = ("well", "ill")
WRONG = MatrixCell("ill", "well", 3, (CellFilm("a.png", 0.9, PNG), CellFilm("b.png", 0.6)))
RIGHT = MatrixCell("ill", "ill", 40, (CellFilm("c.png", 0.8, PNG),))
EMPTY = MatrixCell("well", "ill", 2, ())
FOUND = MatrixFilms((RIGHT, EMPTY, WRONG), "predictions/lr")


def test_cells_with_films_are_linked():
    assert linked_cells(FOUND, LABELS) == {(1, 0), (1, 1)}
    assert linked_cells(None, LABELS) == frozenset()


def test_mistakes_come_first_and_say_how_many_are_shown():
    page = matrix_films(FOUND, LABELS)
    headings = re.findall("<h3>(.*?)</h3>", page)
    assert headings == [
        "ill taken for well: 3 films, 2 of them shown",
        "ill, recognised: 40 films, 1 of them shown",
    ]
    assert "5 answers were wrong on the test films. Listed here: 2 of them" in page
    assert "predictions/lr beside this page" in page


def test_every_link_has_its_part():
    page = matrix_films(FOUND, LABELS)
    links = set(re.findall(r'href="#([^"]*)"', page))
    assert links == {"all-mistakes", "cell-1-0", "cell-1-1"}
    assert links <= set(re.findall(r' id="([^"]*)"', page))


def test_films_without_a_picture_are_listed():
    page = matrix_films(FOUND, LABELS)
    assert page.count("<img") == 2
    assert re.search(r'<ul class="paths"><li>60.0\u202f% <code>b.png</code></li></ul>', page)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((dataclasses.replace(WRONG, count=2),), "2 answers were wrong on the test films. All are"),
        ((RIGHT,), "No answer was wrong on the test films."),
    ],
)
def test_what_is_listed_is_said(cells, expected):
    assert expected in matrix_films(MatrixFilms(cells), LABELS)


def test_without_films_there_is_no_section():
    assert matrix_films(None, LABELS) == ""
    assert matrix_films(MatrixFilms((EMPTY,)), LABELS) == ""


def test_findings_are_missed_or_false_alarms():
    films = (CellFilm("a.png", 0.1),)
    cells = (MatrixCell("Mass", MISSED, 1, films), MatrixCell("Mass", FALSE_ALARM, 1, films))
    page = matrix_films(MatrixFilms(cells), ("Edema", "Mass"))
    assert "Mass, missed: 1 film<" in page
    assert "Mass, false alarm: 1 film<" in page
    assert {"cell-1-0", "cell-1-1"} <= set(re.findall(r' id="([^"]*)"', page))


def test_cells_of_the_drawing_lead_to_films_of_the_same_page(report):
    first, second, _ = report.metrics.labels
    cell = MatrixCell(first, second, 4, (CellFilm("<i>.png", 0.9),))
    page = training_page(dataclasses.replace(report, matrix=MatrixFilms((cell,))))
    outline = read(page)
    assert page.count('href="#cell-0-1"') == 2
    assert outline.ids.count("cell-0-1") == 1
    assert "<i>.png" in outline.text
