"""Test films → the pictures that travel with a model."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F

from spark_cxr.model.examples import write_examples
from spark_cxr.model.findings import NO_FINDING
from spark_cxr.output import Output
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.film_run import limits_of
from spark_cxr.pipeline.thumbnails import film_at
from spark_cxr.schemas import FINDINGS, LABEL, PATH, SHA256
from spark_cxr.settings import Config

OF_DRAWN = 1
"""Films of each label that a model of phantoms takes along unasked: they are nobody's."""


def leave_examples(
    predictions: DataFrame, labels: Sequence[str], cfg: Config, directory: Output
) -> None:
    """Leave pictures of test films in a model directory, where they are wanted or all are drawn.

    Args:
        predictions: On the test (`schemas.TEST_PREDICTIONS`, or of findings `TEST_FINDINGS`).
        labels: Those of the model.
        cfg: How many, the seed, and what a film may cost.
        directory: The model's.
    """
    drawn = are_drawn(predictions)
    count = cfg.train.examples or (OF_DRAWN if drawn else 0)
    if not count:
        return
    rows = chosen(predictions, labels, count, cfg.run.seed)
    limits = limits_of(cfg.ingest)
    films = [(film_at(row[PATH], limits), row["known"]) for row in rows]
    there = [(pixels, known) for pixels, known in films if pixels is not None]
    write_examples(directory, drawn, there)


def chosen(predictions: DataFrame, labels: Sequence[str], count: int, seed: int) -> list[Row]:
    """Choose films of each label by a hash of their content, whatever the model says of them.

    Of findings those count that have it, and those that are known to have none. A film stands once.
    """
    known, shelves = _of_findings(labels) if FINDINGS in predictions.columns else _of_class(labels)
    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    place = F.row_number().over(Window.partitionBy("shelf").orderBy(lot, SHA256, PATH))
    shelved = predictions.select(
        PATH, SHA256, known.alias("known"), F.explode(shelves).alias("shelf")
    )
    rows = shelved.withColumn("place", place).where(F.col("place") <= count).collect()
    order = [*labels, NO_FINDING]
    rows.sort(key=lambda row: (order.index(row["shelf"]), row["place"]))
    return list({row[SHA256]: row for row in reversed(rows)}.values())[::-1]


def _of_class(labels: Sequence[str]) -> tuple[Column, Column]:
    """Give what is known of a film of one class, and where it belongs."""
    known = F.create_map(*(part for name in labels for part in (F.lit(name), F.col(LABEL) == name)))
    return known, F.array(LABEL)


def _of_findings(labels: Sequence[str]) -> tuple[Column, Column]:
    """Give the same of a film with several findings, or none, of which some are unknown."""
    wanted = F.array(*map(F.lit, labels))
    known = F.map_filter(
        FINDINGS, lambda name, has: has.isNotNull() & F.array_contains(wanted, name)
    )
    there = F.map_keys(F.map_filter(known, lambda _, has: has))
    is_free = (F.size(there) == 0) & (F.size(known) == len(labels))
    return known, F.when(is_free, F.array(F.lit(NO_FINDING))).otherwise(there)
