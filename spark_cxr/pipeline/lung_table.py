"""The table `lungs`: of each film where its lungs lie, or that they were not found."""

from __future__ import annotations

import io
from dataclasses import astuple
from typing import Any

import numpy as np
from PIL import Image
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.images.film import Pixels
from spark_cxr.images.lungs import LungFields, find_lungs
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.ingest import IngestResult, ingesting
from spark_cxr.pipeline.reading import Copies
from spark_cxr.schemas import LUNGS, LUNGS_OF_FILM, columns
from spark_cxr.settings import Ingest

TABLE = "lungs"


def ingest_with_lungs(
    spark: SparkSession, settings: Ingest, output: Output
) -> tuple[IngestResult, Outcome]:
    """Ingest, and write a row of each film into `lungs/` as well; also give what is to be said."""
    with ingesting(spark, settings, output, copies=Copies(LUNGS_OF_FILM, _row)) as (done, found):
        output.write_table(_table_of(found), TABLE)
    films = spark.read.schema(LUNGS).parquet(output.table(TABLE))
    unsure = films.where(F.col("share").isNull()).count()
    counts = {**done.counts(), "lungs": {"found": done.n_images - unsure, "unsure": unsure}}
    line = f"lungs found on {done.n_images - unsure:,} of {done.n_images:,} images"
    return done, Outcome(counts, "\n".join((*done.lines(), line)))


def _table_of(found: DataFrame) -> DataFrame:
    return found.where(F.col("reason").isNull()).select(*columns(LUNGS))


def _row(film: Pixels) -> dict[str, Any]:
    lungs = find_lungs(film)
    if lungs is None:
        return dict.fromkeys(columns(LUNGS_OF_FILM))
    top, bottom, left, right = astuple(lungs.box)
    return {
        "share": lungs.share,
        "certainty": lungs.certainty,
        "top": top,
        "bottom": bottom,
        "left": left,
        "right": right,
        "mask": png_of(lungs, film),
    }


def png_of(lungs: LungFields, film: Pixels) -> bytes:
    """Write the mask of a film as PNG of one bit, in the film's size."""
    marked = lungs.mask(film.shape[:2])
    stream = io.BytesIO()
    Image.fromarray(np.where(marked, np.uint8(255), np.uint8(0))).convert("1").save(stream, "PNG")
    return stream.getvalue()
