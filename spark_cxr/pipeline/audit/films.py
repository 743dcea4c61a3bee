"""Which films the network is shown, and which of them train and test."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.images.film import Limits
from spark_cxr.pipeline.audit.masks import BOXES, with_boxes
from spark_cxr.pipeline.audit.views import PLAIN, look_at_views
from spark_cxr.pipeline.eye import wish_of
from spark_cxr.pipeline.files import read_files
from spark_cxr.pipeline.ingest import dataset_of
from spark_cxr.pipeline.networks import Ready, make_ready, used_by_workers
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.split import IS_TEST, split
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import CONTENT, GROUP, LABEL, PATH, SHA256
from spark_cxr.settings import Config

LEAST_GROUPS = 10
"""Patients or films of a label below which it cannot be judged."""


@dataclass(frozen=True)
class Shown:
    """Films with all their vectors, and what made these."""

    rows: DataFrame
    """What is known of the films, `is_test`, and `views.VIEWS`."""
    labels: tuple[str, ...]
    left_out: tuple[str, ...]
    """Labels of too few patients."""
    films: int
    tested: int
    masked: int
    """Films of which a mask tells where the lungs are."""
    lost: int
    """Films that no longer decoded when they were read a second time."""
    ready: Ready
    used: Used


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
    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    rank = F.row_number().over(Window.partitionBy(LABEL).orderBy(lot, SHA256, PATH))
    return labelled.withColumn("_rank", rank).where(F.col("_rank") <= limit).drop("_rank")


def show_films(
    spark: SparkSession, cfg: Config, images: DataFrame, labels: tuple[str, ...], keep: Keep
) -> Shown:
    """Split some films by patient and twin, and make all vectors of them in one pass."""
    ready = make_ready(spark, wish_of(cfg))
    used = used_by_workers(spark, ready)
    chosen = choose_films(images, labels, cfg.audit.films_per_label, cfg.run.seed)
    parted = split(chosen, "patient", cfg.train.test_fraction, cfg.run.seed)
    chosen = keep(with_boxes(spark, cfg, parted))
    films, tested, masked = chosen.agg(
        F.count(F.lit(1)), F.count_if(F.col(IS_TEST)), F.count_if(F.col(BOXES).isNotNull())
    ).collect()[0]
    with progress(spark, "looking at films whole and altered", films):
        files = read_again(spark, cfg, chosen.select(PATH, IS_TEST, BOXES))
        views = keep(look_at_views(files, ready, limits_of(cfg)))
    seen = views.where(F.col(PLAIN).isNotNull())
    rows = seen.join(F.broadcast(chosen), on=PATH, how="inner")
    lost = films - seen.select(PATH).count()
    return Shown(rows, labels, (), films, tested, masked, lost, ready, used)


def limits_of(cfg: Config) -> Limits:
    """Say what a film may cost."""
    return Limits(max_pixels=cfg.ingest.max_pixels, min_side=cfg.ingest.min_side)


def read_again(spark: SparkSession, cfg: Config, chosen: DataFrame) -> DataFrame:
    """Read the files of some films, and bring to each what its row says."""
    leave_out = dataset_of(cfg.ingest).leave_out
    files = read_files(spark, cfg.ingest.images, cfg.ingest.max_bytes, leave_out)
    # The small table goes to the files, so that no image file is shuffled.
    return files.select(PATH, CONTENT).join(F.broadcast(chosen), on=PATH, how="inner")
