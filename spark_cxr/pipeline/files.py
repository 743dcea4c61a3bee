"""Find and read image files through Spark's own file systems: one listing, one reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute
from spark_cxr.schemas import CONTENT, FILES, PATH, columns

SIDE_FILES = frozenset(
    (
        *("csv", "tsv", "txt", "md", "json", "jsonl", "xml", "yaml", "yml", "toml"),
        *("html", "htm", "css", "js", "log", "parquet", "crc", "key", "ini", "py", "ipynb"),
    )
)
"""Suffixes of what lies beside images. Hidden files (a leading . or _) Spark leaves out itself."""


@dataclass(frozen=True)
class Listing:
    """The files below folders or globs, without any of them opened."""

    files: DataFrame
    """One row a file: path, modified, bytes."""
    count: int


def list_files(spark: SparkSession, images: Sequence[str], leave_out: str = "") -> Listing:
    """List files, those without bytes included, or say which folder is missing or empty.

    Spark's readers skip empty files in silence; only the index of names knows them. That index
    lies on the driver anyway, so asking for it costs no more than the listing itself.
    """
    names = _names(spark, images, leave_out)
    if not names:
        received = ", ".join(images)
        raise InputError("at least one image file in --images", received, "Check the folder")
    files = _scan(spark, images, leave_out).select(PATH, "modified", "bytes")
    if files.count() != len(names):
        rows = spark.createDataFrame([(name,) for name in names], "path string")
        empty = rows.join(files, on=PATH, how="left_anti")
        files = files.unionByName(
            empty.select(
                PATH, F.lit(None).cast("timestamp").alias("modified"), F.lit(0).alias("bytes")
            )
        )
    return Listing(files, len(names))


def read_files(
    spark: SparkSession, images: Sequence[str], max_bytes: int, leave_out: str = ""
) -> DataFrame:
    """Read files of up to `max_bytes`; what cannot be read is missing, for the caller to notice."""
    files = _scan(spark, images, leave_out).where(F.col("bytes") <= max_bytes)
    return files.select(*columns(FILES))


def read_paths(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Read files by the paths that a listing gave, whatever signs are in their names.

    Globs are escaped, not switched off: Spark Connect knows no switch. And the lookup is recursive
    although there is nothing below a file: else Spark looks for partitions above it, and gives
    files of one folder several times.

    Raises:
        AnalysisException: a file has vanished.
    """
    files = _reader(spark).load([re.sub(r"([\\*?\[\]{}])", r"\\\1", path) for path in paths])
    return _named(files).select(*columns(FILES))


def source_of(images: Sequence[str], name: str = "") -> Column:
    """Name where a file comes from: the data set, else the folder that was given."""
    if name:
        return F.lit(name)
    source = F.lit(None).cast("string")
    for root in images:
        source = F.when(is_below(root), F.lit(_fixed(root).rsplit("/", 1)[-1])).otherwise(source)
    return source


def is_below(root: str) -> Column:
    """Tell whether a file lies below a folder, or below the fixed part of a glob."""
    return F.contains(F.col(PATH), F.lit(f"{_fixed(root)}/"))


def _fixed(root: str) -> str:
    return re.split(r"/[^/]*[*?\[{]", _plain(root))[0]


def _load(spark: SparkSession, images: Sequence[str]) -> DataFrame:
    return _reader(spark).load(_roots(images))


def _reader(spark: SparkSession) -> DataFrameReader:
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # One file that the disk or the store does not give must not end the job of all others.
    return reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")


def _names(spark: SparkSession, images: Sequence[str], leave_out: str) -> list[str]:
    try:
        found = _load(spark, images).inputFiles()
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        missing = re.search(r"Path does not exist: (\S[^\n]*?)\.( SQLSTATE|$)", str(error), re.M)
        received = missing[1] if missing else str(error).splitlines()[0]
        raise InputError("--images that exist", received, "Check the folder or glob") from None
    # The index writes file:///a%20b where the column `path` has file:/a b.
    names = [unquote(name).replace("file:///", "file:/", 1) for name in found]
    films = (name for name in names if name.rpartition(".")[2].lower() not in SIDE_FILES)
    return [name for name in films if not (leave_out and re.search(leave_out, name))]


def _scan(spark: SparkSession, images: Sequence[str], leave_out: str) -> DataFrame:
    suffix = F.lower(F.substring_index(F.col(PATH), ".", -1))
    files = _load(spark, images).where(~suffix.isin(*SIDE_FILES))
    if leave_out:
        files = files.where(~F.col(PATH).rlike(leave_out))
    return _named(files)


def _named(files: DataFrame) -> DataFrame:
    return files.select(
        PATH,
        F.col("modificationTime").alias("modified"),
        F.col("length").alias("bytes"),
        CONTENT,
    )


def _roots(images: Sequence[str]) -> list[str]:
    if not images:
        raise ConfigError("--images DIR", "none", "Name one or more folders of images")
    roots = [absolute(image) for image in images]
    for one in roots:
        for other in roots:
            if one is not other and f"{_plain(one)}/".startswith(f"{_plain(other)}/"):
                raise ConfigError(
                    "--images that do not contain each other", f"{one} in {other}", "Name one"
                )
    return roots


def _plain(root: str) -> str:
    return absolute(root).removeprefix("file:").rstrip("/")
