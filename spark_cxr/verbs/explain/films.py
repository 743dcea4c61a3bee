"""Which films are to be explained, and what is known of their labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.film_tables import check_told, dataset_of, label_rows, told_of
from spark_cxr.pipeline.sources import list_files, read_files, read_paths
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import FILES, LABEL, PATH
from spark_cxr.settings import Config

LOG = logging.getLogger(__name__)

FEW = 32
"""Films on which the scale of the colours is found."""
LISTED = "path string, modified timestamp, bytes bigint"


@dataclass(frozen=True)
class Films:
    """Files to explain."""

    listed: DataFrame
    """path, modified, bytes"""
    files: DataFrame
    """`schemas.FILES`: those of them that can be read."""
    truth: DataFrame
    """path, label; the label is null where it is not known."""
    count: int


def choose_films(spark: SparkSession, cfg: Config, keep: Keep) -> Films:
    """Take the films of folders, or those of a table of predictions that a condition picks."""
    return _of_table(spark, cfg) if cfg.explain.table else _of_folders(spark, cfg, keep)


def check_asked(cfg: Config) -> None:
    """Refuse an explanation without a model, or with films of two kinds or none."""
    asked = cfg.explain
    if not asked.model:
        raise ConfigError("--model DIR", "none", "Say --model DIR")
    if bool(cfg.ingest.images) == bool(asked.table):
        received = "both" if asked.table else "neither"
        raise ConfigError("--images or --table", received, "Name the one whose films to explain")
    if asked.where and not asked.table:
        raise ConfigError("--where with a --table", asked.where, "Name the table of predictions")


def few_of(spark: SparkSession, films: Films) -> DataFrame:
    """Read a few films, drawn by hash of their path: the same on any number of partitions."""
    lots = films.listed.where(F.col("bytes") > 0).orderBy(F.xxhash64(PATH), PATH).limit(FEW)
    paths = [row[PATH] for row in lots.select(PATH).collect()]
    return films_at(spark, paths)


def films_at(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Read files by their paths; none at all are an empty table."""
    return read_paths(spark, paths) if paths else spark.createDataFrame([], FILES)


def _of_folders(spark: SparkSession, cfg: Config, keep: Keep) -> Films:
    settings = cfg.ingest
    leave_out = dataset_of(settings).leave_out
    listing = list_files(spark, settings.images, leave_out)
    labels = label_rows(spark, settings)
    labels = labels if labels is None else keep(labels)
    told = told_of(listing.files, labels, settings)
    if remark := check_told(listing.files, told, labels, settings):
        LOG.warning(remark)
    if cfg.explain.limit:
        some = _some(listing.files, cfg.explain.limit)
        return films_of(spark, some, told, settings.max_bytes)
    files = read_files(spark, settings.images, settings.max_bytes, leave_out)
    return Films(listing.files, files, told.select(PATH, LABEL), listing.count)


def _of_table(spark: SparkSession, cfg: Config) -> Films:
    rows = _read_table(spark, cfg.explain.table)
    try:
        picked = rows.where(cfg.explain.where) if cfg.explain.where else rows
        truth = F.first(LABEL if LABEL in rows.columns else F.lit(None).cast("string"))
        # A film has a row for each model and content that it was scored with.
        told = picked.groupBy(PATH).agg(truth.alias(LABEL))
        listed = _some(told.select(PATH), cfg.explain.limit)
    except AnalysisException as error:
        received = f"--where {cfg.explain.where!r} ({str(error).splitlines()[0]})"
        expected = f"a condition on {', '.join(rows.columns)}"
        raise ConfigError(expected, received, "Mend the condition") from None
    return films_of(spark, listed, told, cfg.ingest.max_bytes)


def _read_table(spark: SparkSession, address: str) -> DataFrame:
    try:
        rows = spark.read.parquet(absolute(address))
    except AnalysisException as error:
        received = f"--table={address} ({str(error).splitlines()[0]})"
        raise InputError("a table of predictions", received, "Name one of score") from None
    if PATH not in rows.columns:
        received = f"--table={address} with {', '.join(rows.columns)}"
        raise InputError("a table with a column path", received, "Name one of score")
    return rows


def _some(listed: DataFrame, limit: int) -> list[str]:
    chosen = listed.select(PATH).orderBy(F.xxhash64(PATH), PATH)
    return [row[PATH] for row in (chosen.limit(limit) if limit else chosen).collect()]


def films_of(spark: SparkSession, paths: Sequence[str], told: DataFrame, max_bytes: int) -> Films:
    """Look up films by path; one that is gone since it was scored goes to the quarantine."""
    if not paths:
        raise InputError("at least one film to explain", "none", "Check --where or the folder")
    sizes = {path: _size(path) for path in paths}
    rows = [(path, None, -1 if size is None else size) for path, size in sizes.items()]
    there = [path for path, size in sizes.items() if size and size <= max_bytes]
    listed = spark.createDataFrame(rows, LISTED)
    return Films(listed, films_at(spark, there), told.select(PATH, LABEL), len(paths))


def _size(path: str) -> int | None:
    store, inside = locate(path)
    found = store.get_file_info(inside)
    return found.size if found.type == fs.FileType.File else None
