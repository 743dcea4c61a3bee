"""Films of the cells of a matrix: all of few, some of many, the same whoever chooses."""

import pytest

from spark_cxr.metrics.matrix_films import FALSE_ALARM, MISSED
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline import matrix_films
from spark_cxr.pipeline.matrix_films import (
    LISTED,
    RIGHT,
    cell_rows,
    films_of_classes,
    films_of_findings,
    gathered,
)

ANSWERS = [("ill", "well", f"file:/a/{n}.png", 0.5 + n / 2000) for n in range(600)]
ANSWERS += [("well", "ill", f"file:/b/{n}.png", 0.6) for n in range(3)]
ANSWERS += [("well", "well", f"file:/c/{n}.png", 0.9) for n in range(40)]


def cells(found):
    return {(cell.true, cell.predicted): cell for cell in found.cells}


@pytest.fixture(scope="module")
def by_spark(spark):
    columns = "label string, prediction string, path string, confidence double"
    return films_of_classes(spark.createDataFrame(ANSWERS, columns), has_films=False)


def test_small_cells_are_complete_and_the_whole_is_bounded(by_spark):
    found = cells(by_spark)
    assert len(found["well", "ill"].films) == 3
    assert len(found["well", "well"].films) == RIGHT
    assert sum(len(cell.films) for cell in by_spark.cells) == LISTED
    assert found["ill", "well"].count == 600
    assert (by_spark.wrong, by_spark.listed) == (603, LISTED - RIGHT)


def test_the_driver_chooses_the_films_that_spark_chooses(by_spark):
    counts = {cell: each.count for cell, each in cells(by_spark).items()}
    assert gathered(counts, cell_rows(reversed(ANSWERS)), has_films=False) == by_spark


def test_a_cell_has_its_surest_films_first_under_the_names_of_their_files(by_spark):
    films = cells(by_spark)["ill", "well"].films
    shares = [film.probability for film in films]
    assert shares == sorted(shares, reverse=True)
    assert all("/" not in film.path for film in films)


def test_wrong_answers_about_findings_are_missed_or_false_alarms(spark):
    rows = [
        ("a.png", {"Mass": True, "Edema": None}, {"Mass": 0.2, "Edema": 0.9}),
        ("b.png", {"Mass": False, "Edema": False}, {"Mass": 0.6, "Edema": 0.1}),
        ("c.png", {"Mass": True, "Edema": True}, {"Mass": 0.5, "Edema": 0.3}),
    ]
    columns = "path string, findings map<string,boolean>, probabilities map<string,double>"
    predictions = spark.createDataFrame(rows, columns)
    found = films_of_findings(predictions, {"Mass": 0.5, "Edema": 0.3}, has_films=False)
    names = {cell: [film.path for film in each.films] for cell, each in cells(found).items()}
    assert names == {("Mass", MISSED): ["a.png"], ("Mass", FALSE_ALARM): ["b.png"]}


@pytest.fixture
def drawn(tmp_path):
    """Give wrong answers about films that can be read, and one about a file that is gone."""
    answers = [("ill", "well", f"file:{tmp_path / 'gone.png'}", 0.99)]
    for number, film in enumerate(phantoms(6, 3, 64, ("png",))):
        (tmp_path / f"{number}.png").write_bytes(film.data)
        answers.append(("ill", "well", f"file:{tmp_path / f'{number}.png'}", 0.5))
    return answers


def test_films_are_drawn_as_far_as_their_number_goes(drawn, monkeypatch):
    monkeypatch.setattr(matrix_films, "PICTURED", 4)
    found = gathered({("ill", "well"): 7}, cell_rows(drawn))
    assert [bool(film.image) for film in found.cells[0].films] == [True] * 4 + [False] * 3


def test_films_are_drawn_as_far_as_their_weight_goes(drawn, monkeypatch):
    monkeypatch.setattr(matrix_films, "PICTURE_BYTES", 1)
    assert gathered({("ill", "well"): 7}, cell_rows(drawn)).pictured == 1


def test_a_file_that_is_gone_is_listed_without_a_picture(drawn):
    (cell,) = gathered({("ill", "well"): 7}, cell_rows(drawn)).cells
    assert [film.path for film in cell.films if not film.image] == ["gone.png"]
