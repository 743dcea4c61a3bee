"""Which files are new: the folders as they are now, less what the table knows.

Not by Spark's file stream, although it was made for arriving files. That remembers paths alone, so
a file that is changed in place is not seen again and one that was caught half copied stays bad for
ever; it forgets what is older than `maxFileAge` beside the newest file; and its checkpoint is a
second truth beside the table: when it is corrupt nothing goes on, when it is deleted everything is
scored twice. Here a file is known by path, time and size, and the table itself says so.
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
    """A file that needs a look."""

    path: str
    modified: int | None
    """Microseconds since 1970; None for a file without bytes, which Spark does not list."""
    bytes: int
    digests: tuple[str, ...]
    """Of contents that it was scored with before."""
    has_waited: bool
    """It was as it is now when an earlier run found it bad."""


def arrivals(listing: Listing, known: DataFrame | None, waiting: DataFrame | None) -> list[Arrival]:
    """Find the listed files that are not known, the oldest first.

    They come to the driver, names and no more: Spark's index of the folders is there already.
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
    files = _with_waited(files, waiting)
    with of_names_only(files.sparkSession):
        rows = files.orderBy("modified", PATH).collect()
    return [
        Arrival(r[PATH], r["modified"], r["bytes"], tuple(r["digests"] or ()), r["has_waited"])
        for r in rows
    ]


def batches(files: Iterable[Arrival], most_files: int, most_bytes: int) -> Iterator[list[Arrival]]:
    """Part files into batches; a file that is too large for any is one by itself."""
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


def _with_waited(files: DataFrame, waiting: DataFrame | None) -> DataFrame:
    if waiting is None:
        return files.withColumn("has_waited", F.lit(False))
    seen = waiting.withColumn("modified", F.unix_micros("modified"))
    seen = seen.groupBy(PATH, "modified", "bytes").agg(F.lit(True).alias("waited"))
    joined = files.join(seen, on=_is_same(files, seen), how="left")
    waited = F.coalesce(seen["waited"], F.lit(False))
    return joined.select(*(files[name] for name in files.columns), waited.alias("has_waited"))


def _is_same(files: DataFrame, seen: DataFrame) -> Column:
    """Say that path, time and size agree; a file without bytes has no time."""
    time = files["modified"].eqNullSafe(seen["modified"])
    return (files[PATH] == seen[PATH]) & time & (files["bytes"] == seen["bytes"])
