"""Find image files on any file system that Spark knows: one listing, without any of them opened."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import NamedTemporaryFile
from urllib.parse import unquote

from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F

from spark_cxr.archives import catalog as archives
from spark_cxr.archives.catalog import INSIDE
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.film_places import is_folder, is_list, is_table
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.film_tables import films_in_table
from spark_cxr.pipeline.folders import FoundFile, PassedOver, Walk, films_in, kind_by_name
from spark_cxr.pipeline.globs import expanded
from spark_cxr.pipeline.path_lists import files_of, listed_in
from spark_cxr.schemas import CONTENT, PATH

PLACE, BESIDE = "place", "beside"
LISTED = (
    f"path string, modified timestamp, bytes bigint, obstacle string, {BESIDE} string, {PLACE} int"
)
"""One row a file of a listing; `obstacle` says why nobody can open it, `beside` the label that an
archive has beside a film, and `place` where it stands in the listing."""
Version = tuple[str, int | None, int]
"""A file as it was at one moment: path, microseconds since 1970, bytes."""
OPEN_COST = "spark.sql.files.openCostInBytes"


@dataclass(frozen=True)
class Listing:
    """The files below folders or globs at one moment, without any of them opened."""

    found: tuple[FoundFile, ...]
    passed_over: PassedOver
    readable: tuple[str, ...]
    """What Spark is to read, as its readers take it: it holds all of these files."""

    @property
    def count(self) -> int:
        """Count the files."""
        return len(self.found)

    def table(self, spark: SparkSession) -> DataFrame:
        """Give one row a file (`LISTED`). However often it is read, it says the same."""
        return table_of(spark, self.found)

    def part(self, paths: Collection[str]) -> Listing:
        """Give these of its files as a listing of their own."""
        return self._of(file for file in self.found if file.path in paths)

    def without(self, versions: Collection[Version]) -> Listing:
        """Give the files that are not as they were, or are not among these at all."""
        if not versions:
            return self
        return self._of(
            file for file in self.found if (file.path, file.modified, file.bytes) not in versions
        )

    def plus(self, files: Iterable[FoundFile]) -> Listing:
        """Give this listing with these files as well; what it has already it has once."""
        known = {file.path for file in self.found}
        more = self._of(file for file in files if file.path not in known)
        readable = (*self.readable, *more.readable)
        return Listing((*self.found, *more.found), self.passed_over, readable)

    def _of(self, files: Iterable[FoundFile]) -> Listing:
        found = tuple(files)
        to_spark = (file for file in found if file.can_be_read and file.is_plain)
        readable = tuple(escaped(file.path) for file in to_spark)
        return Listing(found, self.passed_over, readable)


def table_of(spark: SparkSession, files: Sequence[FoundFile]) -> DataFrame:
    """Give one row a file (`LISTED`)."""
    rows = [
        (file.path, file.modified, file.bytes, file.obstacle or None, file.label, place)
        for place, file in enumerate(files)
    ]
    ddl = LISTED.replace("timestamp", "bigint")
    table = spark.createDataFrame(rows, ddl, verifySchema=False)
    return table.withColumn("modified", F.timestamp_micros("modified"))


def list_files(
    spark: SparkSession | None,
    images: Sequence[str],
    leave_out: str = "",
    may_be_empty: bool = False,
) -> Listing:
    """List files, those without bytes included, or say which folder is missing or empty.

    Folders of this machine are walked here; for all others Spark is asked, once.

    Args:
        spark: The session; None where Spark sees this machine's files and need not be there.
        images: Folders, globs, lists of paths, or tables.
        leave_out: Expression for paths that are no films.
        may_be_empty: There may be no file.
    """
    folders, listing = list(filter(is_folder, images)), Listing((), PassedOver(), ())
    if folders or not images:
        listing = _in_folders(spark, folders, leave_out)
    for each in filter(is_list, images):
        files = files_of(listed_in(spark, each), leave_out, listing.passed_over)
        listing = listing.plus(files)
    for each in filter(is_table, images):
        listing = listing.plus(films_in_table(spark, each))
    if not listing.count and not may_be_empty:
        received = "; ".join(filter(None, (", ".join(images), str(listing.passed_over))))
        raise InputError("at least one image file in --images", received, "Check the folder")
    return listing


def _in_folders(spark: SparkSession | None, images: Sequence[str], leave_out: str) -> Listing:
    roots = _roots(images)
    is_ours = all(root.startswith(("/", "file:")) for root in roots)
    if spark is None or (is_ours and _reads_here(spark, roots)):
        return _walked(roots, leave_out)
    return _indexed(spark, roots, leave_out)


def escaped(path: str) -> str:
    """Write a path as a glob that names this path only."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def source_of(images: Sequence[str], name: str = "") -> Column:
    """Name where a file comes from: the data set, else the folder that was given."""
    if name:
        return F.lit(name)
    source = F.lit(None).cast("string")
    for root in images:
        source = F.when(is_below(root), F.lit(_fixed(root).rsplit("/", 1)[-1])).otherwise(source)
    return source


def is_below(root: str) -> Column:
    """Tell whether a film lies below a folder, below the fixed part of a glob, or in an archive."""
    top, path = _fixed(root), F.col(PATH)
    if ":" not in top.partition("/")[0]:
        # Without a scheme it lies in the default file system: hdfs://host/films, file:/films.
        path = F.regexp_replace(path, r"^[\w+.-]+:(//[^/]*)?", "")
    return path.startswith(f"{top}/") | path.startswith(f"{top}{INSIDE}")


def _fixed(root: str) -> str:
    return re.split(r"/[^/]*[*?\[{]", _plain(root))[0]


@contextmanager
def _of_names_only(spark: SparkSession) -> Iterator[None]:
    """Let queries that want no file's content take many files a task, until the block ends.

    50,000 names are counted in 0.5 s, not in 3 to 5. Each query keeps what held at its start.
    """
    before = spark.conf.get(OPEN_COST)
    spark.conf.set(OPEN_COST, "32k")
    try:
        yield
    finally:
        spark.conf.set(OPEN_COST, before)


def binary_files(spark: SparkSession) -> DataFrameReader:
    """Give Spark's reader of whole files, however deep they lie."""
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    # One file that the disk or the store does not give must not end the job of all others.
    return reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")


def is_there(path: str) -> bool:
    """Tell whether a file or folder is still there; where nobody can tell, it is."""
    with suppress(OSError, ValueError):
        parts = archives.split(path)
        store, inside = locate(parts[0] if parts else path)
        return store.get_file_info(inside).type != fs.FileType.NotFound
    return True


def _reads_here(spark: SparkSession, roots: Sequence[str]) -> bool:
    """Tell whether Spark finds this machine's files where Python does.

    A path without scheme may lead into HDFS or DBFS, and behind Connect may be another machine.
    """
    prefixes = {"file:" if root.startswith("file:") else "" for root in roots}
    with NamedTemporaryFile(prefix="spark_cxr-") as file:
        try:
            for prefix in prefixes:
                found = spark.read.format("binaryFile").load(prefix + escaped(file.name))
                if not "".join(found.inputFiles()).startswith("file:"):
                    return False
        except AnalysisException:
            return False
    return True


def _walked(roots: Sequence[str], leave_out: str) -> Listing:
    walk = Walk(leave_out)
    for root in roots:
        try:
            paths = expanded(locate(root)[1])
        except re.error as error:
            received = f"{root} ({error})"
            raise InputError("--images that are folders or globs", received, "Correct it") from None
        if not paths:
            raise _missing(f"file:{_plain(root)}")
        for path in paths:
            walk.below(path)
    readable = tuple(f"file:{escaped(path)}" for path in walk.readable)
    return Listing(tuple(walk.files), walk.passed_over, readable)


def _indexed(spark: SparkSession, roots: Sequence[str], leave_out: str) -> Listing:
    """Ask Spark for the files; what it hides it does not count.

    Its readers skip empty files in silence, but its index has them: one call to the JVM for each
    file, 5 s for 50,000. It writes file:///a%20b where the column `path` has file:/a b.
    """
    try:
        loaded = binary_files(spark).load(list(roots))
        names = [unquote(name).replace("file:///", "file:/", 1) for name in loaded.inputFiles()]
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        missing = re.search(r"Path does not exist: (\S[^\n]*?)\.( SQLSTATE|$)", str(error), re.M)
        raise _missing(missing[1] if missing else str(error).splitlines()[0]) from None
    table = named(loaded).select(PATH, F.unix_micros("modified").alias("modified"), "bytes")
    with _of_names_only(spark):
        found = {row[PATH]: FoundFile(*row) for row in table.collect()}
    files, passed_over = list[FoundFile](), PassedOver()
    for name in dict.fromkeys((*found, *names)):
        if kind := kind_by_name(name, leave_out):
            passed_over.add(kind, name)
        else:
            file = found.get(name) or FoundFile(name, None, 0)
            files.extend(films_in(file, leave_out, passed_over))
    return Listing(tuple(files), passed_over, tuple(roots))


def _missing(received: str) -> InputError:
    return InputError("--images that exist", received, "Check the folder or glob")


def named(files: DataFrame) -> DataFrame:
    """Give the columns of this reader our names (`schemas.FILES`)."""
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
    if root.startswith(("/", "file:")):
        root = f"/{root.removeprefix('file:').lstrip('/')}"
    return absolute(root).rstrip("/")
