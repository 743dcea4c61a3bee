"""Who reads the bytes of films: the workers, where they see the same files, else Spark.

Bytes that Spark reads go through the JVM and a pipe before a worker has them. A worker that opens
the file itself spares that, which of a small film is half of all that is not its network.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.archives import catalog as archives
from spark_cxr.choices import READERS
from spark_cxr.errors import ConfigError
from spark_cxr.output import is_here
from spark_cxr.pipeline.film_tables import contents
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.session import all_here, is_connect
from spark_cxr.pipeline.sources import (
    PLACE,
    Listing,
    binary_files,
    escaped,
    is_there,
    list_files,
    named,
    table_of,
)
from spark_cxr.pipeline.worker_files import open_whole
from spark_cxr.schemas import CONTENT, FILES, PATH, columns

AUTO, WORKER, SPARK = READERS
TRIES = 5
"""Lists of paths from which files vanish before Spark has looked at them."""
PROBES = 16
"""Films that the workers have to open before they are left to read all."""
PROBING_TASKS = 32
"""So many that each executor of a middling cluster gets one of them."""
FILES_A_TASK, BYTES_A_TASK = 128, 2**27
"""What a task has at most; a network likes many films, and a cluster many tasks."""
LEAST_TASKS = 8


def choose_reader(spark: SparkSession, wanted: str, files: Sequence[FoundFile]) -> str:
    """Choose who reads these files; the workers only where they have opened some of them.

    Raises:
        ConfigError: the workers are to read, and cannot.
    """
    if wanted == SPARK:
        return SPARK
    can_be_read = [file for file in files if file.can_be_read and not file.is_row]
    seems_so = all(is_here(file.path) for file in can_be_read)
    is_one_host = all_here(spark) and not is_connect(spark)
    if seems_so and (is_one_host or not can_be_read or _workers_open(spark, can_be_read)):
        return WORKER
    if wanted == WORKER:
        received = f"{can_be_read[0].path} and others, which some workers cannot open"
        way_out = "Mount the folder on every node, or say --read spark"
        raise ConfigError("films that every worker can open (--read worker)", received, way_out)
    return SPARK


def _workers_open(spark: SparkSession, files: Iterable[FoundFile]) -> bool:
    """Have workers open some films, drawn by hash of their paths: all of them must open the same.

    A film may have vanished since it was listed, so not each needs to open.
    """
    drawn = heapq.nsmallest(
        PROBES, files, key=lambda file: hashlib.sha256(file.path.encode()).digest()
    )
    asked = [
        (parts[0], None) if (parts := archives.split(file.path)) else (file.path, file.bytes)
        for file in drawn
    ]

    def opened(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            marks = "".join(str(int(_has_size(path, size))) for path, size in asked)
            yield pa.RecordBatch.from_pydict({"marks": [marks]})

    tasks = spark.range(0, PROBING_TASKS, 1, PROBING_TASKS)
    found = {row["marks"] for row in tasks.mapInArrow(opened, "marks string").collect()}
    return len(found) == 1 and "1" in found.pop()


def _has_size(path: str, size: int | None) -> bool:
    """Tell whether a file can be opened, and has this size, where that is known."""
    try:
        with open_whole(path) as file:
            return size is None or file.size == size
    except OSError:
        return False


def read_files(
    spark: SparkSession,
    images: Sequence[str],
    max_bytes: int,
    leave_out: str = "",
    listing: Listing | None = None,
    reader: str = SPARK,
) -> DataFrame:
    """Read files of up to `max_bytes`; what cannot be read is missing, for the caller to notice.

    Args:
        spark: The session.
        images: Folders or globs.
        max_bytes: What is larger is left out.
        leave_out: Expression for paths that are no films.
        listing: The only files to read, where they were listed before.
        reader: WORKER leaves `content` null: a pass opens the file where it is worked on.
    """
    listing = listing or list_files(spark, images, leave_out)
    small = [file for file in listing.found if file.bytes <= max_bytes]
    if reader == WORKER or not listing.readable:
        return _in_parts(spark, small)
    files = _load_there(spark, listing.readable).where(F.col("bytes") <= max_bytes)
    listed = listing.table(spark).select(PATH)
    files = files.join(F.broadcast(listed), on=PATH, how="left_semi").select(*columns(FILES))
    others = [file for file in small if not file.is_plain]
    return files.unionByName(_in_parts(spark, others)) if others else files


def read_listed(spark: SparkSession, files: Sequence[FoundFile], reader: str) -> DataFrame:
    """Read files that a listing gave, whatever signs are in their names.

    Globs are escaped, not switched off: Spark Connect knows no switch. And the lookup is recursive
    although there is nothing below a file: else Spark looks for partitions above it, and gives
    files of one folder several times.

    Raises:
        AnalysisException: a file that Spark is to read has vanished.
    """
    paths = [escaped(file.path) for file in files if file.is_plain]
    if reader == WORKER or not paths:
        return _in_parts(spark, files)
    found = named(binary_files(spark).load(paths)).select(*columns(FILES))
    others = [file for file in files if not file.is_plain]
    return found.unionByName(_in_parts(spark, others)) if others else found


def _in_parts(spark: SparkSession, files: Sequence[FoundFile]) -> DataFrame:
    """Give rows of tables with their bytes, and all other files without, for workers to read."""
    rows = [file for file in files if file.is_row]
    if not rows:
        return _left_to_workers(spark, files)
    if len(rows) == len(files):
        return contents(spark, rows)
    others = [file for file in files if not file.is_row]
    return contents(spark, rows).unionByName(_left_to_workers(spark, others))


def _left_to_workers(spark: SparkSession, files: Sequence[FoundFile]) -> DataFrame:
    """Give the files without their bytes, in tasks that have about the same number of them.

    Films of an archive stay together and in their order: then each is read on from the last one.
    """
    can_be_read = [file for file in files if file.can_be_read]
    size = sum(file.bytes for file in can_be_read)
    tasks = max(len(can_be_read) // FILES_A_TASK, size // BYTES_A_TASK, LEAST_TASKS)
    tasks = max(1, min(tasks, len(can_be_read)))
    table = table_of(spark, can_be_read).withColumn(CONTENT, F.lit(None).cast("binary"))
    if not any(file.is_member for file in can_be_read):
        return table.select(*columns(FILES)).repartition(tasks)
    table = table.repartitionByRange(tasks, PLACE).sortWithinPartitions(PLACE)
    return table.select(*columns(FILES))


def _load_there(spark: SparkSession, readable: Sequence[str]) -> DataFrame:
    """Load what was listed, less what has vanished since."""
    there = list(readable)
    for _ in range(TRIES):
        if not there:
            break
        try:
            return named(binary_files(spark).load(there))
        except AnalysisException as error:
            if "PATH_NOT_FOUND" not in str(error):
                raise
        there = [path for path in there if is_there(re.sub(r"\\(.)", r"\1", path))]
    return spark.createDataFrame([], FILES)
