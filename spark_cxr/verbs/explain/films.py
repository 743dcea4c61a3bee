"""Which films are to be explained, and what is known of their labels."""

from __future__ import annotations

import logging

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute
from spark_cxr.pipeline.explanations import FilmsToExplain, films_of
from spark_cxr.pipeline.labels import check_match, dataset_of, label_rows, labels_of_files
from spark_cxr.pipeline.sources import list_files, read_files
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Config

LOG = logging.getLogger(__name__)


def choose_films(spark: SparkSession, cfg: Config, keep: Keep) -> FilmsToExplain:
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


def _of_folders(spark: SparkSession, cfg: Config, keep: Keep) -> FilmsToExplain:
    settings = cfg.ingest
    leave_out = dataset_of(settings).leave_out
    listing = list_files(spark, settings.images, leave_out)
    labels = label_rows(spark, settings)
    labels = labels if labels is None else keep(labels)
    told = labels_of_files(listing.files, labels, settings)
    if remark := check_match(listing.files, told, labels, settings):
        LOG.warning(remark)
    if cfg.explain.limit:
        some = _some(listing.files, cfg.explain.limit)
        return films_of(spark, some, told, settings.max_bytes)
    files = read_files(spark, settings.images, settings.max_bytes, leave_out)
    return FilmsToExplain(listing.files, files, told.select(PATH, LABEL), listing.count)


def _of_table(spark: SparkSession, cfg: Config) -> FilmsToExplain:
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
