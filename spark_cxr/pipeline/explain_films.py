"""Films → explanations, drawn and as a table: what the verb explain does, and others on the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.metrics.wording import counted
from spark_cxr.model.explanation import scale_of
from spark_cxr.model.model import Model
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.contact_sheet import TARGET
from spark_cxr.pipeline.explanations import ExplainTask, explained
from spark_cxr.pipeline.film_tables import quarantine_of, unseen
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.sources import read_paths
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import EXPLANATIONS, FILES, LABEL, PATH, QUARANTINE, columns

TABLE = "explanations"
DEFAULT_LONGEST = 768
"""Of overlays that another job asks for."""
FEW = 32
"""Films on which the scale of the colours is found."""
LISTED = "path string, modified timestamp, bytes bigint"


@dataclass(frozen=True)
class FilmsToExplain:
    """Files, and what is known of their labels."""

    listed: DataFrame
    """path, modified, bytes"""
    files: DataFrame
    """`schemas.FILES`: those of them that can be read."""
    truth: DataFrame
    """path, label; the label is null where it is not known."""
    count: int


@dataclass(frozen=True)
class ExplainResult:
    """What was explained, and how."""

    rows: DataFrame
    """`schemas.EXPLANATIONS`"""
    task: ExplainTask
    method: str
    files: int
    n: int
    """Films that decode."""
    unexplained: int
    """Of these, the ones that are no X-ray: without --label there is no class to explain."""
    seconds: float
    """For decoding, explaining and drawing."""


def explain_paths(
    spark: SparkSession, scorer: Model, paths: Sequence[str], max_bytes: int, output: Output
) -> ExplainResult:
    """Explain and draw films that another job has picked."""
    told = spark.createDataFrame([(path, None) for path in paths], "path string, label string")
    films = films_of(spark, paths, told, max_bytes)
    task = ExplainTask(scorer.plan, scorer.predictor, scorer.limits, scorer.manifest.identity)
    scale = find_scale(few_of(spark, films), task)
    task = replace(task, scale=scale, folder=output.address, longest=DEFAULT_LONGEST)
    return explain_films(spark, films, task, max_bytes, output)


def find_scale(few: DataFrame, task: ExplainTask) -> float:
    """Choose the heat of the strongest colour from a few films, as a round number.

    So that one pass over all films can both compute and draw, and two films can be compared.
    """
    plain = replace(task, folder="", exact=False)
    maps = [row["map"] for row in explained(few, plain).select("map").collect() if row["map"]]
    if not maps:
        return 1.0
    return scale_of(np.concatenate(maps))


def explain_films(
    spark: SparkSession, films: FilmsToExplain, task: ExplainTask, max_bytes: int, output: Output
) -> ExplainResult:
    """Explain films in one pass; write `explanations/`, `quarantine/` and the overlays."""
    started = time.monotonic()
    with staged(output) as keep:
        with progress(spark, "explaining", films.count):
            seen = keep(explained(films.files, task))
        seconds = time.monotonic() - started
        lost = unseen(films.listed, seen, max_bytes).select(*columns(QUARANTINE))
        output.write_table(quarantine_of(seen).unionByName(lost), "quarantine")
        good = seen.where(F.col("reason").isNull()).drop(LABEL)
        named = good.join(films.truth, on=PATH, how="left")
        output.write_table(named.select(*columns(EXPLANATIONS)), TABLE)
    rows = spark.read.schema(EXPLANATIONS).parquet(output.table(TABLE))
    bad = spark.read.schema(QUARANTINE).parquet(output.table("quarantine")).count()
    n, unexplained = rows.count(), rows.where(F.col(TARGET).isNull()).count()
    _check_account(n, bad, films.count, output)
    method = rows.select("method").first()[0]
    return ExplainResult(rows, task, method, films.count, n, unexplained, seconds)


def few_of(spark: SparkSession, films: FilmsToExplain) -> DataFrame:
    """Read a few films, drawn by hash of their path: the same on any number of partitions."""
    lots = films.listed.where(F.col("bytes") > 0).orderBy(F.xxhash64(PATH), PATH).limit(FEW)
    paths = [row[PATH] for row in lots.select(PATH).collect()]
    return films_at(spark, paths)


def films_at(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Read files by their paths; none at all are an empty table."""
    return read_paths(spark, paths) if paths else spark.createDataFrame([], FILES)


def films_of(
    spark: SparkSession, paths: Sequence[str], told: DataFrame, max_bytes: int
) -> FilmsToExplain:
    """Look up films by path; one that is gone since it was scored goes to the quarantine."""
    if not paths:
        raise InputError("at least one film to explain", "none", "Check --where or the folder")
    sizes = {path: _size(path) for path in paths}
    rows = [(path, None, -1 if size is None else size) for path, size in sizes.items()]
    there = [path for path, size in sizes.items() if size and size <= max_bytes]
    listed = spark.createDataFrame(rows, LISTED)
    return FilmsToExplain(listed, films_at(spark, there), told.select(PATH, LABEL), len(paths))


def _size(path: str) -> int | None:
    store, inside = locate(path)
    found = store.get_file_info(inside)
    return found.size if found.type == fs.FileType.File else None


def _check_account(n: int, bad: int, files: int, output: Output) -> None:
    if n + bad != files:
        way_out = "Run again when no one writes to the folders"
        raise InputError(f"a row for each of {files:,} files", f"{n + bad:,}", way_out)
    if not n:
        received = f"{counted(bad, 'file')}, all bad"
        way_out = f"See {output.table('quarantine')}"
        raise InputError("at least one film that decodes", received, way_out)
