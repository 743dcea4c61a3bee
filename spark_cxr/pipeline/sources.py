"""Find and read image files through Spark's own file systems: one listing, one reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute, locate
from spark_cxr.schemas import CONTENT, FILES, PATH, columns

OPEN_COST = "spark.sql.files.openCostInBytes"
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

    Spark's readers skip empty files in silence, so these are listed separately.
    """
    files = _scan(spark, images, leave_out).select(PATH, "modified", "bytes")
    with of_names_only(spark):
        count = files.count()
    if empty := _empty_names(spark, images, leave_out, files):
        rows = spark.createDataFrame([(name,) for name in empty], "path string")
        nothing = {"modified": F.lit(None).cast("timestamp"), "bytes": F.lit(0)}
        files = files.unionByName(rows.withColumns(nothing))
    if not count + len(empty):
        received = ", ".join(images)
        raise InputError("at least one image file in --images", received, "Check the folder")
    return Listing(files, count + len(empty))


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


@contextmanager
def of_names_only(spark: SparkSession) -> Iterator[None]:
    """Let queries that want no file's content take many files a task, until the block ends.

    50,000 names are counted in 0.5 s, not in 3 to 5. Each query keeps what held at its start.
    """
    before = spark.conf.get(OPEN_COST)
    spark.conf.set(OPEN_COST, "32k")
    try:
        yield
    finally:
        spark.conf.set(OPEN_COST, before)


def _reader(spark: SparkSession) -> DataFrameReader:
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # One file that the disk or the store does not give must not end the job of all others.
    return reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")


def _empty_names(
    spark: SparkSession, images: Sequence[str], leave_out: str, files: DataFrame
) -> list[str]:
    """Find the files without bytes: in a folder of this machine by a look, else in Spark's index.

    The index names every file, one call to the JVM for each: 5 s for 50,000.
    """
    if all(_is_plain_folder(image) for image in images):
        found = (name for image in images for name in _empty_below(image))
    else:
        # The index writes file:///a%20b where the column `path` has file:/a b.
        indexed = _load(spark, images).inputFiles()
        names = (unquote(name).replace("file:///", "file:/", 1) for name in indexed)
        listed = {row[PATH] for row in files.select(PATH).collect()}
        found = (name for name in names if name not in listed)
    films = (name for name in found if name.rpartition(".")[2].lower() not in SIDE_FILES)
    return [name for name in films if not (leave_out and re.search(leave_out, name))]


def _is_plain_folder(image: str) -> bool:
    store, path = locate(image)
    return isinstance(store, fs.LocalFileSystem) and Path(path).is_dir()


def _empty_below(image: str) -> Iterator[str]:
    """Walk a folder as Spark does: what is hidden, or below what is hidden, is not there."""
    store, root = locate(image)
    for entry in store.get_file_info(fs.FileSelector(root, recursive=True)):
        parts = entry.path[len(root) :].strip("/").split("/")
        if entry.is_file and entry.size == 0 and not any(map(_is_hidden, parts)):
            yield f"file:{entry.path}"


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _found(spark: SparkSession, images: Sequence[str]) -> DataFrame:
    try:
        return _load(spark, images)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        missing = re.search(r"Path does not exist: (\S[^\n]*?)\.( SQLSTATE|$)", str(error), re.M)
        received = missing[1] if missing else str(error).splitlines()[0]
        raise InputError("--images that exist", received, "Check the folder or glob") from None


def _scan(spark: SparkSession, images: Sequence[str], leave_out: str) -> DataFrame:
    suffix = F.lower(F.substring_index(F.col(PATH), ".", -1))
    files = _found(spark, images).where(~suffix.isin(*SIDE_FILES))
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
