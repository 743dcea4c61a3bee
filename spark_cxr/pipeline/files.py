"""Find and read image files through Spark's own file systems: one listing, one reader."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute
from spark_cxr.schemas import FILES, PATH, columns

SIDE_FILES = (
    "csv tsv txt md json jsonl xml yaml yml toml html htm css js log parquet crc key ini py ipynb"
).split()
"""Suffixes of what lies beside images. Hidden files (a leading . or _) Spark leaves out itself."""


def list_files(spark: SparkSession, images: Sequence[str], leave_out: str = "") -> DataFrame:
    """List path, time and length of the files below folders or globs, without opening any."""
    return _scan(spark, images, leave_out).select(PATH, "modified", "bytes")


def read_files(
    spark: SparkSession, images: Sequence[str], max_bytes: int, leave_out: str = ""
) -> DataFrame:
    """Read files of up to `max_bytes`; what cannot be read is missing, for the caller to notice."""
    files = _scan(spark, images, leave_out).where(F.col("bytes") <= max_bytes)
    return files.select(*columns(FILES))


def count_files(files: DataFrame, images: Sequence[str]) -> int:
    """Count a listing, or say which folder is missing or empty."""
    try:
        count = files.count()
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        missing = re.search(r"Path does not exist: (\S.*?)\. ?(SQLSTATE|$)", str(error), re.M)
        received = missing[1] if missing else ", ".join(images)
        raise InputError("--images that exist", received, "Check the folder or glob") from None
    if count == 0:
        received = ", ".join(images)
        raise InputError("at least one image file in --images", received, "Check the folder")
    return count


def source_of(images: Sequence[str], name: str = "") -> Column:
    """Name where a file comes from: the data set, else the folder that was given."""
    if name:
        return F.lit(name)
    source = F.lit(None).cast("string")
    for root in images:
        fixed = re.split(r"/[^/]*[*?\[{]", _plain(root))[0]
        below = F.contains(F.col(PATH), F.lit(f"{fixed}/"))
        source = F.when(below, F.lit(fixed.rsplit("/", 1)[-1])).otherwise(source)
    return source


def _scan(spark: SparkSession, images: Sequence[str], leave_out: str) -> DataFrame:
    roots = _roots(images)
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # One file that the disk or the store does not give must not end the job of all others.
    reader = reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")
    try:
        files = reader.load(roots)
    except AnalysisException as error:
        raise InputError("--images that exist", str(error).splitlines()[0], "Check them") from None
    suffix = F.lower(F.substring_index(F.col(PATH), ".", -1))
    files = files.where(~suffix.isin(SIDE_FILES))
    if leave_out:
        files = files.where(~F.col(PATH).rlike(leave_out))
    return files.select(
        PATH,
        F.col("modificationTime").alias("modified"),
        F.col("length").alias("bytes"),
        "content",
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
