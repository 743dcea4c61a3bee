"""Which films the network is shown, and which of them train and test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.output import Output
from spark_cxr.pipeline.earlier_run import open_earlier, with_its_films
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingesting, reading_of
from spark_cxr.pipeline.labels import dataset_of
from spark_cxr.pipeline.networks import make_plan, used_by_workers
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.reading import WANTED, look, lot_of
from spark_cxr.pipeline.sources import read_files
from spark_cxr.pipeline.splits import IS_TEST, split
from spark_cxr.pipeline.staging import Keep, staged
from spark_cxr.schemas import GROUP, LABEL, PATH, SHA256, columns
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.masks import BOXES, with_boxes
from spark_cxr.verbs.audit.views import HISTOGRAM, KEPT, SMALL, kept_for_audit, look_at_views

LEAST_GROUPS = 10
"""Patients or films of a label below which it cannot be judged."""


@dataclass(frozen=True)
class AuditFilms:
    """Films with all their vectors, and what made these."""

    rows: DataFrame
    """What is known of the films, `is_test`, and `views.VIEWS`."""
    copies: DataFrame
    """Their copies (`views.KEPT`), with `is_test`."""
    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    """Labels of too few patients."""
    films: int
    tested: int
    masked: int
    """Films of which a mask tells where the lungs are."""
    lost: int
    """Films of an earlier run that did not decode any more when they were read again."""
    plan: Plan
    used: Used


CopiesOf = Callable[[DataFrame], DataFrame]
"""Gives the copies (path and `views.KEPT`) of films, and perhaps of some more."""


def usable_labels(images: DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the labels of enough patients, and those of too few."""
    labelled = images.where(F.col(LABEL).isNotNull())
    rows = labelled.groupBy(LABEL).agg(F.count_distinct(GROUP).alias("n")).collect()
    enough = sorted(row[LABEL] for row in rows if row["n"] >= LEAST_GROUPS)
    return tuple(enough), tuple(sorted(row[LABEL] for row in rows if row["n"] < LEAST_GROUPS))


def choose_films(images: DataFrame, labels: tuple[str, ...], limit: int, seed: int) -> DataFrame:
    """Take up to `limit` films of each label, by hash of their bytes; 0: all."""
    labelled = images.where(F.col(LABEL).isin(*labels))
    if not limit:
        return labelled
    lot = lot_of(seed, F.col(SHA256))
    rank = F.row_number().over(Window.partitionBy(LABEL).orderBy(lot, SHA256, PATH))
    return labelled.withColumn("_rank", rank).where(F.col("_rank") <= limit).drop("_rank")


@contextmanager
def audited_films(
    spark: SparkSession, cfg: Config, output: Output
) -> Iterator[tuple[Config, IngestResult, CopiesOf]]:
    """Ingest, or take the films of an earlier run; until the block ends their copies are there.

    A film is decoded once, for all that the audit asks of it.
    """
    size_hw = own.find(cfg.features.backbone, cfg.features.normalising).size_hw
    copies = kept_for_audit(size_hw, cfg.audit.films_per_label, cfg.run.seed)
    if not cfg.features.table:
        with ingesting(spark, cfg.ingest, output, copies=copies) as (ingested, looked):
            kept = looked.where(F.col("pixels").isNotNull()).select(PATH, *columns(KEPT))
            yield cfg, ingested, (lambda _: kept)
        return
    earlier = open_earlier(cfg.features.table, "--table", "twins")
    cfg = with_its_films(cfg, earlier, "--table")
    with staged(output) as keep:

        def again(chosen: DataFrame) -> DataFrame:
            files = read_files(
                spark, cfg.ingest.images, cfg.ingest.max_bytes, dataset_of(cfg.ingest).leave_out
            )
            # The small table goes to the files, so that no image file is shuffled.
            files = files.join(F.broadcast(chosen.select(PATH)), on=PATH, how="inner")
            wanted = files.withColumn(WANTED, F.array(F.lit(True)))
            looked = look(wanted, reading_of(cfg.ingest, None), copies=copies)
            with progress(spark, "decoding films", chosen.count()):
                seen = keep(looked.select(PATH, *columns(KEPT)))
            return seen.where(F.col("pixels").isNotNull())

        yield cfg, account_of(spark, earlier.output), again


def show_films(
    spark: SparkSession,
    cfg: Config,
    images: DataFrame,
    labels: tuple[str, ...],
    copies_of: CopiesOf,
    keep: Keep,
) -> AuditFilms:
    """Split some films by patient and near-duplicate, and make all vectors of them in one pass."""
    plan = make_plan(spark, cfg.features)
    used = used_by_workers(spark, plan)
    chosen = choose_films(images, labels, cfg.audit.films_per_label, cfg.run.seed)
    dealt = split(chosen, "patient", cfg.train.test_fraction, cfg.run.seed)
    chosen = keep(with_boxes(spark, cfg, dealt))
    films, tested, masked = chosen.agg(
        F.count(F.lit(1)), F.count_if(F.col(IS_TEST)), F.count_if(F.col(BOXES).isNotNull())
    ).collect()[0]
    known = F.broadcast(chosen.select(PATH, IS_TEST, BOXES))
    copies = copies_of(chosen).join(known, on=PATH, how="inner")
    with progress(spark, "looking at films whole and altered", films):
        views = keep(look_at_views(copies, plan))
    plain = copies.select(PATH, "is_colour", HISTOGRAM, SMALL)
    rows = views.join(plain, on=PATH, how="inner")
    rows = rows.join(F.broadcast(chosen), on=PATH, how="inner")
    lost = films - views.count()
    return AuditFilms(rows, copies, labels, (), films, tested, masked, lost, plan, used)
