"""The table as Delta, where the session has it: rows come in by MERGE on their key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession

from spark_cxr.errors import SetupError
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.session import SPARK_ERRORS
from spark_cxr.schemas import columns
from spark_cxr.verbs.score.table import SCORED_ON, TABLES, Rows

KEY = ("path", "sha256", "model", "modified", "bytes")
"""Of the hidden tables; that of predictions has no second row of a content, whatever its time."""


@dataclass(frozen=True)
class DeltaTable:
    """Delta tables in the same places as the Parquet files would be."""

    spark: SparkSession
    output: Output

    def append(self, kind: str, rows: Rows, name: str, at: datetime) -> None:
        """Merge rows in: those that are there already, by their key, stay as they are."""
        self.make(kind)
        ddl = f"{TABLES[kind]}, {SCORED_ON} date"
        named = [(*(row[c] for c in columns(TABLES[kind])), at.date()) for row in rows]
        view = f"scored_{uuid4().hex}"
        self.spark.createDataFrame(named, ddl).createOrReplaceTempView(view)
        try:
            self.spark.sql(merge_of(self._place(kind), view, kind))
        finally:
            self.spark.catalog.dropTempView(view)

    def read(self, spark: SparkSession, kind: str) -> DataFrame | None:
        """Read a table; None before its first row."""
        store, root = locate(f"{self.output.table(kind).rstrip('/')}/_delta_log")
        if store.get_file_info(root).type.name == "NotFound":
            return None
        return spark.read.format("delta").load(self._place(kind))

    def make(self, kind: str = "") -> None:
        """Create a table if it is not there, or say that the session has no Delta."""
        try:
            self.spark.sql(create_of(self._place(kind), TABLES[kind]))
        except SPARK_ERRORS as error:
            if "delta" not in str(error).lower():
                raise
            received = f"{self.spark.version} without it"
            way_out = "Say --format parquet, or start Spark with the package delta-spark"
            raise SetupError("a session with Delta for --format delta", received, way_out) from None

    def _place(self, kind: str) -> str:
        return self.output.table(kind).rstrip("/")


def create_of(place: str, ddl: str) -> str:
    """Word the statement that makes a table of predictions."""
    return (
        f"CREATE TABLE IF NOT EXISTS delta.`{place}` ({ddl}, {SCORED_ON} date) "
        f"USING delta PARTITIONED BY ({SCORED_ON})"
    )


def merge_of(place: str, view: str, kind: str) -> str:
    """Word the statement that brings rows in, each at most once."""
    key = KEY if kind else KEY[:3]
    same = " AND ".join(f"known.{name} <=> new.{name}" for name in key)
    return (
        f"MERGE INTO delta.`{place}` AS known USING {view} AS new ON {same} "
        "WHEN NOT MATCHED THEN INSERT *"
    )
