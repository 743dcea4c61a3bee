"""The films that a fine-tuning reads: those it learns and is tested on, and those it must not know.

All go through one ingest, so that twins and patients are found across them. Then the films of
`--never` get a table of their own: counts, reports and audits speak of the others alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession

from spark_cxr.output import Output
from spark_cxr.pipeline.drawn import with_phantoms
from spark_cxr.pipeline.earlier import open_earlier, with_its_films
from spark_cxr.pipeline.files import is_below
from spark_cxr.pipeline.staging import staged
from spark_cxr.pipeline.steps import Ingested, account_of, ingest_step
from spark_cxr.schemas import IMAGES, PATH, TWINS, columns
from spark_cxr.settings import Config, Ingest

NEVER = "never"
"""Table of the films of `--never` (`schemas.IMAGES`)."""


@dataclass(frozen=True)
class Known:
    """Films that were ingested."""

    cfg: Config
    """The settings that hold: with phantoms where no films were named."""
    ingested: Ingested
    """Without the films of `--never`."""
    source: Output
    """Where their table is."""
    never: DataFrame | None
    """`schemas.IMAGES` of films that nothing may be learned from; None where none were named."""

    @property
    def settings(self) -> Ingest:
        """Say where the files are, those for the test among them."""
        ingest, tested = self.cfg.ingest, self.cfg.train.test_images
        return replace(ingest, images=(*ingest.images, *tested))


def known_films(spark: SparkSession, cfg: Config, output: Output) -> Known:
    """Ingest the films, or take what an earlier run or an earlier start of this one ingested."""
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        cfg = with_its_films(cfg, earlier, "--table")
        return Known(cfg, account_of(spark, earlier.output), earlier.output, None)
    cfg = with_phantoms(cfg, output)
    ingest = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
    ingested = _ingested(spark, ingest, cfg.finetune.never, output)
    table = output.table(NEVER)
    never = spark.read.schema(IMAGES).parquet(table) if cfg.finetune.never else None
    return Known(cfg, ingested, output, never)


def _ingested(
    spark: SparkSession, settings: Ingest, never: Sequence[str], output: Output
) -> Ingested:
    tables = ("images", NEVER) if never else ("images",)
    if all(output.read_bytes(f"{table}/_SUCCESS") is not None for table in tables):
        return account_of(spark, output)
    done = ingest_step(spark, replace(settings, images=(*settings.images, *never)), output)
    return _set_apart(done, never, output) if never else done


def _set_apart(done: Ingested, never: Sequence[str], output: Output) -> Ingested:
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
