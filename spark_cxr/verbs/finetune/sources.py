"""The films that a fine-tuning reads: those it learns and is tested on, and those it must not know.

All go through one ingest, so that twins and patients are found across them. Then the films of
`--never` get a table of their own: counts, reports and audits speak of the others alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.output import Output
from spark_cxr.pipeline.earlier_run import open_earlier, with_its_films
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingesting, ingesting_again
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.reading import COPY, Copies
from spark_cxr.pipeline.sources import is_below
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import IMAGES, PATH, SHA256, TWINS, columns
from spark_cxr.settings import Config
from spark_cxr.verbs.finetune.films import are_cached

CHANGED = "changed"
"""Table of films of an earlier run that were gone or had changed when they were decoded."""
NEVER = "never"
"""Table of the films of `--never` (`schemas.IMAGES`)."""


@dataclass(frozen=True)
class LearningFilms:
    """Films that were ingested."""

    cfg: Config
    """The settings that hold: with phantoms where no films were named."""
    ingested: IngestResult
    """Without the films of `--never`."""
    never: DataFrame | None
    """`schemas.IMAGES` of films that nothing may be learned from; None where none were named."""
    copies: DataFrame | None
    """path, sha256 and `look.COPY` of the films; None where they are cached already."""


@contextmanager
def known_films(
    spark: SparkSession, cfg: Config, output: Output, copies: Copies
) -> Iterator[LearningFilms]:
    """Ingest the films, or take what an earlier run or an earlier start of this one ingested.

    A film is decoded once: until the block ends there is a copy of each in the network's size.
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
        looking = ingesting_again(
            spark, settings, output, copies=copies, source=source, lost=CHANGED
        )
        with looking as (_, looked):
            yield LearningFilms(cfg, ingested, None, copies_of(looked))
        return
    cfg, never = with_phantoms(cfg, output), cfg.finetune.never
    if cached:
        yield LearningFilms(cfg, account_of(spark, output), _never(spark, never, output), None)
        return
    images = (*cfg.ingest.images, *cfg.train.test_images, *never)
    looking = ingesting(spark, replace(cfg.ingest, images=images), output, copies=copies)
    with looking as (ingested, looked):
        ingested = _set_apart(ingested, never, output) if never else ingested
        yield LearningFilms(cfg, ingested, _never(spark, never, output), copies_of(looked))


def copies_of(looked: DataFrame) -> DataFrame:
    """Take the copies that a pass has kept."""
    return looked.where(F.col("pixels").isNotNull()).select(PATH, SHA256, *columns(COPY))


def _never(spark: SparkSession, never: Sequence[str], output: Output) -> DataFrame | None:
    return spark.read.schema(IMAGES).parquet(output.table(NEVER)) if never else None


def _set_apart(done: IngestResult, never: Sequence[str], output: Output) -> IngestResult:
    """Part the table of films in two; groups and twins were found before that."""
    spark = done.images.sparkSession
    is_never = reduce(Column.__or__, map(is_below, never))
    with staged(output) as keep:
        films = keep(done.images)
        twins = keep(spark.read.schema(TWINS).parquet(done.twins))
        output.write_table(films.where(~is_never), "images")
        for side in ("path_a", "path_b"):
            others = films.where(is_never).select(films[PATH].alias(side))
            twins = twins.join(others, on=side, how="left_anti")
        output.write_table(twins.select(*columns(TWINS)), "twins")
        output.write_table(films.where(is_never), NEVER)
    return account_of(spark, output)
