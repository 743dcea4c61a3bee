"""The films of each cell of a confusion matrix, as many as a page may hold; a hash chooses them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_cxr.metrics.matrix_films import (
    FALSE_ALARM,
    MISSED,
    CellFilm,
    MatrixCell,
    MatrixFilms,
)
from spark_cxr.pipeline.thumbnails import thumbnail
from spark_cxr.schemas import FINDINGS, LABEL, PATH

LISTED = 400
"""Films on a page. They are taken from all cells in turn, so that small cells are complete."""
RIGHT = 6
"""Of the films that were answered rightly, so many a cell: what a right answer looks like."""
PICTURED = 60
PICTURE_BYTES = 1_000_000
"""Up to how many films are drawn, and what their pictures may weigh together."""
SMALL = 160
"""Pixels of the long side of a picture."""


class CellRow(NamedTuple):
    """One film: `place` is its place in its cell by the hash of its path."""

    place: int
    hash: str
    true: str
    predicted: str
    path: str
    probability: float


def films_of_classes(
    predictions: DataFrame, has_films: bool = True, table: str = "predictions"
) -> MatrixFilms:
    """Take the test films (`schemas.TEST_PREDICTIONS`) of each cell.

    Args:
        predictions: Of classes.
        has_films: False: only vectors are there, and nothing can be drawn.
        table: Where the predictions are, beside the page.
    """
    answers = predictions.select(
        F.col(LABEL).alias("true"),
        F.col("prediction").alias("predicted"),
        PATH,
        F.col("confidence").alias("probability"),
    )
    return _films_of(answers, has_films, table)


def films_of_findings(
    predictions: DataFrame, thresholds: Mapping[str, float], has_films: bool = True
) -> MatrixFilms:
    """Take the wrong answers (`schemas.TEST_FINDINGS`) about each finding."""
    each = (_answer(name, threshold) for name, threshold in thresholds.items())
    answers = predictions.select(PATH, F.explode(F.array(*each)).alias("answer"))
    wrong = answers.select(PATH, "answer.*").where(F.col("predicted").isNotNull())
    return _films_of(wrong, has_films, "predictions")


def _answer(name: str, threshold: float) -> Column:
    has, share = F.col(FINDINGS)[name], F.col("probabilities")[name]
    missed = has & (share < threshold)
    alarm = ~has & (share >= threshold)
    kind = F.when(missed, MISSED).when(alarm, FALSE_ALARM)
    return F.struct(F.lit(name).alias("true"), kind.alias("predicted"), share.alias("probability"))


def _films_of(answers: DataFrame, has_films: bool, table: str) -> MatrixFilms:
    counted = answers.groupBy("true", "predicted").count().collect()
    counts = {(row["true"], row["predicted"]): row["count"] for row in counted}
    order = Window.partitionBy("true", "predicted").orderBy("hash", PATH)
    placed = answers.withColumn("hash", F.sha2(PATH, 256)).withColumn(
        "place", F.row_number().over(order)
    )
    most = F.when(F.col("true") == F.col("predicted"), RIGHT).otherwise(LISTED)
    kept = placed.where(F.col("place") <= most).orderBy("place", "hash", "true").limit(LISTED)
    rows = kept.select(*CellRow._fields).collect()
    return gathered(counts, (CellRow(*row) for row in rows), has_films, table)


def cell_rows(answers: Iterable[tuple[str, str, str, float]]) -> list[CellRow]:
    """Choose from answers on the driver (truth, answer, path, probability) as Spark does."""
    hashed = sorted(
        CellRow(0, hashlib.sha256(path.encode()).hexdigest(), true, predicted, path, share)
        for true, predicted, path, share in answers
    )
    found: list[CellRow] = []
    by_cell = attrgetter("true", "predicted")
    for (true, predicted), films in groupby(sorted(hashed, key=by_cell), by_cell):
        most = RIGHT if true == predicted else LISTED
        found += [row._replace(place=place) for place, row in enumerate(films, 1) if place <= most]
    return sorted(found)[:LISTED]


def gathered(
    counts: Mapping[tuple[str, str], int],
    rows: Iterable[CellRow],
    has_films: bool = True,
    table: str = "predictions",
) -> MatrixFilms:
    """Sort chosen films into their cells, and draw the first of them.

    Args:
        counts: How many films each cell has, by truth and answer.
        rows: In the order in which they are chosen.
        has_films: Whether they can be drawn.
        table: Where all films are, beside the page.
    """
    by_cell: dict[tuple[str, str], list[CellFilm]] = {cell: [] for cell in sorted(counts)}
    drawn, weight = 0, 0
    for row in rows:
        film = CellFilm(row.path.rsplit("/", 1)[-1], row.probability)
        if has_films and drawn < PICTURED and weight < PICTURE_BYTES:
            film = replace(film, image=thumbnail(row.path, SMALL))
            drawn, weight = drawn + bool(film.image), weight + len(film.image)
        by_cell[row.true, row.predicted].append(film)
    return MatrixFilms(
        tuple(
            MatrixCell(*cell, counts[cell], tuple(sorted(films, key=_surest)))
            for cell, films in by_cell.items()
        ),
        table,
    )


def _surest(film: CellFilm) -> tuple[bool, float, str]:
    """Put those with a picture first, and of each kind the surest."""
    return not film.image, -film.probability, film.path
