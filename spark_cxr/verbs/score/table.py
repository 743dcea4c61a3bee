"""The table of predictions and all that is remembered of earlier runs: one directory, no more.

    TABLE/scored_on=2025-03-01/RUN-00001.parquet    predictions, a file for each batch
    TABLE/_quarantine/scored_on=…                   files that cannot be scored
    TABLE/_waiting/scored_on=…                      files that may be half copied: one more look
    TABLE/_touched/scored_on=…                      new time, same content: no second row
    TABLE/_runs/RUN/run.json                        what a run did
    TABLE/_writer.lock, _writer.holder              one run writes, and which

Readers leave names with _ aside, so `spark.read.parquet(TABLE)` gives the predictions. A file is
written under a hidden name, brought to the disk, and renamed: that is the commit, and there is no
other state. A batch that is cut off between two renames is no harm: its files are in one of the
tables or in none, and those in none are simply new to the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.output import Output, locate
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.schemas import KNOWN, SCORE_QUARANTINE, SCORES, TOUCHED, columns

Rows = Sequence[dict[str, Any]]

SCORED, QUARANTINED, WAITING, SAME = "", "_quarantine", "_waiting", "_touched"
TABLES = {
    SCORED: SCORES,
    QUARANTINED: SCORE_QUARANTINE,
    WAITING: SCORE_QUARANTINE,
    SAME: TOUCHED,
}
"""The tables below the directory, and the columns of each."""
SCORED_ON = "scored_on"
"""Their partition: the day, in UTC."""
RUNS = "_runs"
HALF = ".half"


class Table(Protocol):
    """Where rows are kept."""

    def append(self, kind: str, rows: Rows, name: str, at: datetime) -> None:
        """Commit rows of one kind, all or none; `name` is the batch's own."""
        ...

    def read(self, spark: SparkSession, kind: str) -> DataFrame | None:
        """Read the rows of one kind; None where there are none yet."""
        ...


@dataclass(frozen=True)
class ParquetTable:
    """Parquet files, one a batch."""

    output: Output

    def append(self, kind: str, rows: Rows, name: str, at: datetime) -> None:
        """Write one file and rename it: no reader ever sees a part of it."""
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(list(rows), arrow_schema(TABLES[kind])), buffer)
        place = "/".join(filter(None, (kind, f"{SCORED_ON}={at:%Y-%m-%d}", f"{name}.parquet")))
        self.output.write_bytes(place, buffer.getvalue().to_pybytes(), is_durable=True)

    def read(self, spark: SparkSession, kind: str) -> DataFrame | None:
        """Read with the schema that is known, so that no file is opened to ask it."""
        below = self.output.table(kind).rstrip("/")
        if not _has_days(below):
            return None
        return spark.read.schema(TABLES[kind]).parquet(below)


def known_files(spark: SparkSession, table: Table) -> DataFrame | None:
    """Gather the files that need no second look (`schemas.KNOWN`)."""
    parts = (table.read(spark, kind) for kind in (SCORED, QUARANTINED, SAME))
    known = [part.select(*columns(KNOWN)) for part in parts if part is not None]
    return reduce(DataFrame.unionByName, known) if known else None


def sweep(output: Output) -> int:
    """Remove what a killed run has left half written; only the one writer may call it."""
    store, _ = locate(output.address)
    left = [path for path in _files(output) if path.endswith(HALF)]
    for path in left:
        store.delete_file(path)
    return len(left)


def committed(output: Output) -> list[str]:
    """Name the files of predictions, as places below the directory."""
    root = locate(output.address)[1]
    places = (path[len(root) :].lstrip("/") for path in _files(output))
    return sorted(p for p in places if p.startswith(SCORED_ON) and p.endswith(".parquet"))


def _files(output: Output) -> Iterator[str]:
    store, root = locate(output.address)
    for entry in store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if entry.is_file:
            yield entry.path


def _has_days(address: str) -> bool:
    store, root = locate(address)
    found = store.get_file_info(fs.FileSelector(root, allow_not_found=True))
    return any(entry.base_name.startswith(SCORED_ON) for entry in found)
