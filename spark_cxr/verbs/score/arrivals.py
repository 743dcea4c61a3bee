"""Which files are new: the folders as they are now, less what the table knows.

Spark's file stream is made for arriving files, but it remembers paths alone: a file that changes in
place is not read again, and one that was caught half copied stays bad for ever. It also forgets
what is older than `maxFileAge` before the newest file, and its checkpoint is a second truth beside
the table: when that is corrupt nothing goes on, when it is deleted everything is scored twice. Here
a file is known by path, time and size, and the table itself says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.pipeline.sources import Listing, list_files, of_names_only, read_paths
from spark_cxr.schemas import PATH, SHA256

TRIES = 5
"""Listings of a folder from which files vanish while they are read."""


@dataclass(frozen=True)
class Arrival:
    """A file to score."""

    path: str
    modified: int | None
    """Microseconds since 1970; None for a file without bytes, which Spark does not list."""
    bytes: int
    digests: tuple[str, ...]
    """Of the contents with which it was scored before."""
    has_waited: bool
    """It was as it is now when an earlier run found it bad."""


def arrivals(listing: Listing, known: DataFrame | None, waiting: DataFrame | None) -> list[Arrival]:
    """Find the listed files that are not known, the oldest first.

    Only their names come to the driver, where Spark's index of the folders is already.
    """
    files = listing.files.withColumn("modified", F.unix_micros("modified"))
    if known is not None:
        known = known.withColumn("modified", F.unix_micros("modified"))
        files = files.join(known, on=_is_same(files, known), how="left_anti")
        digests = known.join(files.select(PATH), on=PATH, how="left_semi")
        digests = digests.groupBy(PATH).agg(F.collect_set(SHA256).alias("digests"))
        files = files.join(digests, on=PATH, how="left")
    else:
        files = files.withColumn("digests", F.array().cast("array<string>"))
    if waiting is not None:
        before = waiting.withColumn("modified", F.unix_micros("modified"))
        before = before.groupBy(PATH, "modified", "bytes").agg(F.lit(True).alias("has_waited"))
        joined = files.join(before, on=_is_same(files, before), how="left")
        waited = F.coalesce(before["has_waited"], F.lit(False)).alias("has_waited")
        files = joined.select(*(files[name] for name in files.columns), waited)
    else:
        files = files.withColumn("has_waited", F.lit(False))
    with of_names_only(files.sparkSession):
        rows = files.orderBy("modified", PATH).collect()
    return [
        Arrival(r[PATH], r["modified"], r["bytes"], tuple(r["digests"] or ()), r["has_waited"])
        for r in rows
    ]


def batches(files: Iterable[Arrival], most_files: int, most_bytes: int) -> Iterator[list[Arrival]]:
    """Divide files into batches; a file that is too large for any is one by itself."""
    batch, held = list[Arrival](), 0
    for file in files:
        if batch and (len(batch) == most_files or held + file.bytes > most_bytes):
            yield batch
            batch, held = [], 0
        batch.append(file)
        held += file.bytes
    if batch:
        yield batch


def read_batch(
    spark: SparkSession, batch: Sequence[Arrival], max_bytes: int, images: Sequence[str]
) -> DataFrame | None:
    """Read the files of a batch by their paths; None where none is left to read."""
    paths = [file.path for file in batch if 0 < file.bytes <= max_bytes]
    for _ in range(TRIES):
        if not paths:
            return None
        try:
            return read_paths(spark, paths)
        except AnalysisException as error:
            if "PATH_NOT_FOUND" not in str(error):
                raise
        there = {row[PATH] for row in list_files(spark, images).files.select(PATH).collect()}
        paths = [path for path in paths if path in there]
    return None


def _is_same(files: DataFrame, known: DataFrame) -> Column:
    """Say that path, time and size agree; a file without bytes has no time."""
    time = files["modified"].eqNullSafe(known["modified"])
    return (files[PATH] == known[PATH]) & time & (files["bytes"] == known["bytes"])
