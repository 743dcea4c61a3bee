"""Films as the network will see them, decoded and resized once: a Parquet cache for all epochs.

Its rows lie in the order of a hash of what they are, in as many files as they have bytes, so that
neither the order of the folders nor the number of cores decides which films a batch has. Films
that do not learn lie beside those that do, for the trained network to be tested on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.errors import InputError
from spark_cxr.images.film import Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, View
from spark_cxr.images.prepare import grey
from spark_cxr.output import VECTORS as VECTORS_OF
from spark_cxr.output import Output
from spark_cxr.pipeline.feature_cache import open_features
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.film_pass import TableFile, TablePass, arrow_schema, over_films
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.reading import film_of_copy
from spark_cxr.schemas import CONTENT, FEATURE_ROWS, FEATURES, PATH, SHA256, columns
from spark_cxr.settings import Features
from spark_cxr.training.cache import CachedFilms, open_cache
from spark_cxr.verbs.finetune.learners import SIDE, TARGET, TRAIN, VAL

FILMS = "films"
REST = "rest"
"""The side of the films that neither train nor validate."""
CACHED = (
    "path string, sha256 string, target int, side string, shape array<int>, pixels binary, "
    "colours binary"
)
"""One row a film: (height, width) grey levels, the number of its class, and its side; of one that
is no grey film also its colours."""
VECTORS = f"{PATH} string, {FEATURES} array<float>"
PART_BYTES = 2**26
GROUP_BYTES = 2**21
"""Of a row group, which is the least that can be read: 40 films of 224 pixels."""
QUICK_TO_READ = {
    "compression": "none",
    "parquet.enable.dictionary": "false",
    "parquet.block.size": GROUP_BYTES,
    "parquet.page.size.row.check.min": 1,
    "parquet.page.size.row.check.max": 16,
}
"""Films are read again in each epoch; pixels hardly get smaller, and no two rows are the same."""


@dataclass(frozen=True)
class LearnerFilms:
    """The cache, side by side."""

    train: CachedFilms
    val: CachedFilms


def cached_films(
    spark: SparkSession,
    copies: DataFrame | None,
    learners: DataFrame,
    size_hw: tuple[int, int],
    output: Output,
) -> LearnerFilms:
    """Put the films that were decoded in the order of training, or take what lies there already.

    Args:
        spark: The session.
        copies: path, sha256 and `look.COPY`; None where they are cached already.
        learners: path, sha256, target and side.
        size_hw: What the network takes.
        output: Receives the table `films/`.
    """
    if copies is not None:
        _write(spark, copies, learners, size_hw, output)
    train, val = (open_cache(output.table(f"{FILMS}/{SIDE}={side}")) for side in (TRAIN, VAL))
    return LearnerFilms(train, val)


def are_cached(output: Output) -> bool:
    """Say whether an earlier start of this run has left the films."""
    return output.read_bytes(f"{FILMS}/_SUCCESS") is not None


def _write(
    spark: SparkSession,
    copies: DataFrame,
    learners: DataFrame,
    size_hw: tuple[int, int],
    output: Output,
) -> None:
    count = learners.count()
    known = learners.select(PATH, SHA256, TARGET, SIDE)
    sided = copies.join(F.broadcast(known), on=[PATH, SHA256], how="left").fillna(REST, SIDE)
    names = (PATH, SHA256, TARGET, SIDE, "shape", "pixels")
    shown = sided.select(*names).mapInArrow(_greyer(), CACHED)
    parts = max(1, round(count * size_hw[0] * size_hw[1] / PART_BYTES))
    lot = F.xxhash64(SHA256)
    lots = shown.repartition(parts, SHA256).sortWithinPartitions(SIDE, lot, PATH)
    writer = lots.write.mode("overwrite").options(**QUICK_TO_READ).partitionBy(SIDE)
    writer.parquet(output.table(FILMS))
    found = spark.read.parquet(output.table(FILMS)).where(F.col(SIDE) != REST).count()
    if found != count:
        output.remove(FILMS)
        way_out = "Some are gone or have changed: begin anew with --overwrite"
        raise InputError(f"the {count:,} films that were ingested", f"{found:,}", way_out)


def _greyer() -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that brings copies into the form that is trained on."""

    def turn(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        schema = arrow_schema(CACHED)
        for batch in batches:
            rows = [_in_grey(row) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return turn


def _in_grey(row: dict[str, Any]) -> dict[str, Any]:
    shape = row["shape"]
    if len(shape) == 2:
        return {**row, "colours": None}
    levels = as_grey(np.frombuffer(row["pixels"], np.uint8).reshape(shape))
    return {**row, "shape": shape[:2], "pixels": levels.tobytes(), "colours": row["pixels"]}


def as_grey(pixels: Pixels) -> Pixels:
    """Give a film's grey levels, in rows."""
    return np.ascontiguousarray(pixels if pixels.ndim == 2 else grey(pixels))


def featurize_cached(
    spark: SparkSession, wanted: Features, images: DataFrame, output: Output
) -> FeatureResult:
    """Show all cached films to the trained network; write `features/` (`schemas.FEATURE_ROWS`)."""
    cache, started = open_features(spark, replace(wanted, cache="")), time.monotonic()
    films = spark.read.parquet(output.table(FILMS))
    is_grey = F.col("colours").isNull()
    shape = F.when(is_grey, F.col("shape")).otherwise(F.concat("shape", F.array(F.lit(3))))
    shown = films.select(PATH, shape.alias("shape"), F.coalesce("colours", "pixels").alias(CONTENT))
    with progress(spark, "featurizing", films.count()):
        vectors = over_films(shown, lambda: _vector_pass(cache.plan), VECTORS)
        rows = vectors.join(F.broadcast(images), on=PATH, how="inner")
        output.write_table(rows.select(*columns(FEATURE_ROWS)), FEATURES)
    output.write_json(VECTORS_OF, {"network": cache.key})
    rows = spark.read.schema(FEATURE_ROWS).parquet(output.table(FEATURES))
    return FeatureResult(rows, rows.count(), 0, cache, time.monotonic() - started)


def _vector_pass(plan: Plan) -> TablePass:
    here = on_this_worker(plan)

    def open_(file: TableFile) -> FilmViews[str]:
        return FilmViews(file[PATH], (View(film_of_copy(file, here.network.size_hw)),))

    def row(path: str, found: tuple[Vector, ...]) -> dict[str, Any]:
        return {PATH: path, FEATURES: found[0]}

    return FilmPass(open_, row, (vectors_by(here),), here.threads)
