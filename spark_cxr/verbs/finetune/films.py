"""The films of a fine-tuning: ingested, decoded and resized once, and cached for all epochs.

Films that train and test and those of `--never` go through one ingest, so that near-duplicates
and patients are found across them. Then the films of `--never` get a table of their own: counts,
reports and audits are about the others alone.

The rows of the cache, which is Parquet, lie in the order of a hash of what they are, in as many
files as they have bytes, so that neither the order of the folders nor the number of cores decides
which films a batch has. Films that do not train lie beside those that do, for the trained network
to be tested on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import Vector, vectors_by
from spark_cxr.errors import InputError
from spark_cxr.images.film import Pixels
from spark_cxr.images.film_pass import FilmPass, FilmViews, View
from spark_cxr.images.prepare import grey
from spark_cxr.output import VECTORS as VECTORS_OF
from spark_cxr.output import Output
from spark_cxr.pipeline.earlier_run import open_earlier, with_its_films
from spark_cxr.pipeline.feature_cache import open_features
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.film_pass import TableFile, TablePass, arrow_schema, over_films
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingesting, ingesting_again
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.reading import COPY, Copies, film_of_copy
from spark_cxr.pipeline.sources import is_below
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import CONTENT, FEATURE_ROWS, FEATURES, IMAGES, PATH, SHA256, TWINS, columns
from spark_cxr.settings import Config, Features
from spark_cxr.training.cache import CachedFilms, open_cache
from spark_cxr.verbs.finetune.learners import SIDE, TARGET, TRAIN, VAL

FILMS = "films"
REST = "rest"
"""The side of the films that neither train nor validate."""
CACHED = (
    "path string, sha256 string, target {target}, side string, shape array<int>, pixels binary, "
    "colours binary"
)
"""One row a film: (height, width) grey levels, the number of its class (an int) or of each finding
(array<int>: 1, 0, or -1 where it is unknown), and its side; of one that is no grey film also its
colours."""
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
CHANGED = "changed"
"""Table of films of an earlier run that were gone or had changed when they were decoded."""
NEVER = "never"
"""Table of the films of `--never` (`schemas.IMAGES`)."""


@dataclass(frozen=True)
class LearnerFilms:
    """The cached films that train, and those that validate."""

    train: CachedFilms
    val: CachedFilms


def cached_films(
    spark: SparkSession,
    copies: DataFrame | None,
    learners: DataFrame,
    size_hw: tuple[int, int],
    output: Output,
) -> LearnerFilms:
    """Write decoded films in the order of training, or take those that are there already.

    Args:
        spark: The session.
        copies: path, sha256 and `reading.COPY`; None where they are cached already.
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
    ddl = CACHED.format(target=dict(learners.dtypes)[TARGET])
    levels = sided.select(*names).mapInArrow(partial(_with_grey_levels, ddl), ddl)
    parts = max(1, round(count * size_hw[0] * size_hw[1] / PART_BYTES))
    lot = F.xxhash64(SHA256)
    lots = levels.repartition(parts, SHA256).sortWithinPartitions(SIDE, lot, PATH)
    writer = lots.write.mode("overwrite").options(**QUICK_TO_READ).partitionBy(SIDE)
    writer.parquet(output.table(FILMS))
    found = spark.read.parquet(output.table(FILMS)).where(F.col(SIDE) != REST).count()
    if found != count:
        output.remove(FILMS)
        way_out = "Some are gone or have changed: begin anew with --overwrite"
        raise InputError(f"the {count:,} films that were ingested", f"{found:,}", way_out)


def _with_grey_levels(ddl: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Bring copies into the form that is trained on; runs on the workers."""
    schema = arrow_schema(ddl)
    for batch in batches:
        rows = [{**row, "colours": None} for row in batch.to_pylist()]
        for row in rows:
            if len(row["shape"]) == 3:
                levels = as_grey(np.frombuffer(row["pixels"], np.uint8).reshape(row["shape"]))
                row |= {"colours": row["pixels"], "pixels": levels.tobytes()}
                row["shape"] = row["shape"][:2]
        yield pa.RecordBatch.from_pylist(rows, schema=schema)


def as_grey(pixels: Pixels) -> Pixels:
    """Give the grey levels of a film, row by row."""
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
    with progress(spark, "featurizing", films.count()) as watch:
        vectors = over_films(shown, lambda: _vector_pass(cache.plan), VECTORS, watch)
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


@dataclass(frozen=True)
class LearningFilms:
    """The ingested films."""

    cfg: Config
    """The settings for them: with phantoms where no films were named."""
    ingested: IngestResult
    """Without the films of `--never`."""
    never: DataFrame | None
    """`schemas.IMAGES` of films from which nothing may be learned; None where none were named."""
    copies: DataFrame | None
    """path, sha256 and `reading.COPY` of the films; None where they are cached already."""


@contextmanager
def films_to_learn(
    spark: SparkSession, cfg: Config, output: Output, copies: Copies
) -> Iterator[LearningFilms]:
    """Ingest the films, or take what an earlier run or an earlier start of this one ingested.

    A film is decoded once: a copy of each in the network's size exists until the block ends.
    """
    cached = are_cached(output)
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        cfg, source = with_its_films(cfg, earlier, "--table"), earlier.output
        ingested = account_of(spark, source)
        if cached:
            yield LearningFilms(cfg, ingested, None, None)
            return
        settings = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
        run = ingesting_again(spark, settings, output, copies=copies, source=source, lost=CHANGED)
        with run as (_, looked):
            yield LearningFilms(cfg, ingested, None, copies_of(looked))
        return
    cfg, never = with_phantoms(cfg, output), cfg.finetune.never
    if cached:
        yield LearningFilms(cfg, account_of(spark, output), _never(spark, never, output), None)
        return
    images = (*cfg.ingest.images, *cfg.train.test_images, *never)
    run = ingesting(spark, replace(cfg.ingest, images=images), output, copies=copies)
    with run as (ingested, looked):
        ingested = _set_apart(ingested, never, output) if never else ingested
        yield LearningFilms(cfg, ingested, _never(spark, never, output), copies_of(looked))


def copies_of(looked: DataFrame) -> DataFrame:
    """Take the copies that a pass kept."""
    return looked.where(F.col("pixels").isNotNull()).select(PATH, SHA256, *columns(COPY))


def _never(spark: SparkSession, never: Sequence[str], output: Output) -> DataFrame | None:
    return spark.read.schema(IMAGES).parquet(output.table(NEVER)) if never else None


def _set_apart(done: IngestResult, never: Sequence[str], output: Output) -> IngestResult:
    """Split the table of films in two; groups and twins were found before that."""
    spark = done.images.sparkSession
    is_never = reduce(Column.__or__, map(is_below, never))
    with staged(output) as keep:
        films = keep(done.images)
        apart = films.where(is_never)
        if apart.isEmpty():
            raise InputError("films in --never", f"none in {', '.join(never)}", "Check the folder")
        twins = keep(spark.read.schema(TWINS).parquet(done.twins))
        output.write_table(films.where(~is_never), "images")
        for side in ("path_a", "path_b"):
            others = apart.select(films[PATH].alias(side))
            twins = twins.join(others, on=side, how="left_anti")
        output.write_table(twins.select(*columns(TWINS)), "twins")
        output.write_table(apart, NEVER)
    return account_of(spark, output)
