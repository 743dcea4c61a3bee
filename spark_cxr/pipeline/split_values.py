"""`--split column:NAME`: what a column of the films or of their label file says of each film."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.pipeline import labels as label_files
from spark_cxr.pipeline.film_tables import NO_FILE, dataset_of, label_path
from spark_cxr.pipeline.splits import VALUE, column_of
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Ingest, nearest

KNOWN = ("source", "view", "patient_id", "format", "width", "height", "bits", "day_offset")
"""Columns of the table `images` that can split films; the others differ from film to film."""


def with_values(rows: DataFrame, images: DataFrame, by: str, settings: Ingest) -> DataFrame:
    """Add the value of the column that `by` names, if it names one; films without are left out.

    Args:
        rows: The films to split.
        images: What ingesting has found out of them (`schemas.IMAGES`).
        by: A way to split, like `patient` or `column:source`.
        settings: Say where the label file is.
    """
    name = column_of(by)
    if not name:
        return rows
    values = _of_films(images, name) if name in KNOWN else _of_file(images, name, settings)
    said = values.where(F.col(VALUE).isNotNull() & (F.col(VALUE) != ""))
    return rows.join(said, on=PATH, how="inner")


def _of_films(images: DataFrame, name: str) -> DataFrame:
    return images.select(PATH, F.col(name).cast("string").alias(VALUE))


def _of_file(images: DataFrame, name: str, settings: Ingest) -> DataFrame:
    """Read the label file as if the column were the label, so that films match by the same keys."""
    dataset = dataset_of(settings)
    if dataset.labels in NO_FILE:
        way_out = nearest(name, KNOWN)
        raise InputError("a column of the films, or a label file that has it", name, way_out)
    wanted = replace(dataset, label_column=name, rules=(), patient_column="")
    path = label_path(settings)
    rows = label_files.read_labels(images.sparkSession, path, wanted)
    label_files.check_labels(rows.where(F.col(LABEL) != ""), path)
    return label_files.match(images, rows).select(PATH, F.trim(LABEL).alias(VALUE))
