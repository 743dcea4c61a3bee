"""Rows of a pass over films, kept as its tasks end: a run that was cut off goes on from there.

Spark's own committer shows a table when all of it is there. Its second algorithm, wanted here by
name, gives each task's file its place as soon as that task is done; a store that knows better
(S3's committers, Databricks') may still wait for the end, and then there is nothing to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.output import PARTS, Output, locate
from spark_cxr.pipeline.sources import Version
from spark_cxr.schemas import PATH

STAMP = f"{PARTS}/stamp.json"
"""What the rows depend on, besides the files themselves."""
TASK_BY_TASK = ("mapreduce.fileoutputcommitter.algorithm.version", "2")


@dataclass(frozen=True)
class Parts:
    """Tables of rows of one kind below a run's directory; the run's end removes them."""

    output: Output
    ddl: str
    """Of the rows; has path, modified and bytes."""

    def begin(self, stamp: str) -> None:
        """Keep what the same pass has left; remove what another one has."""
        if self.output.read_bytes(STAMP) == stamp.encode():
            return
        self.output.remove(PARTS)
        self.output.make_private(PARTS)
        self.output.write_text(STAMP, stamp)

    def add(self, rows: DataFrame) -> None:
        """Write rows, each task's as soon as it is done."""
        place = self.output.table(f"{PARTS}/{uuid4().hex[:12]}")
        rows.write.option(*TASK_BY_TASK).parquet(place)

    def rows(self, spark: SparkSession) -> DataFrame:
        """Read what is there; a file that a power cut has spoilt is left out."""
        names = self._names()
        if not names:
            return spark.createDataFrame([], self.ddl)
        reader = spark.read.schema(self.ddl).option("ignoreCorruptFiles", "true")
        return reader.parquet(*(self.output.table(f"{PARTS}/{name}") for name in names))

    def known(self, spark: SparkSession) -> set[Version]:
        """Say which files have a row, and as what."""
        if not self._names():
            return set()
        found = self.rows(spark).select(PATH, F.unix_micros("modified"), "bytes")
        return {(path, modified, size) for path, modified, size in found.collect()}

    def _names(self) -> list[str]:
        store, root = locate(self.output.table(PARTS))
        found = store.get_file_info(fs.FileSelector(root, allow_not_found=True))
        return sorted(entry.base_name for entry in found if not entry.is_file)
