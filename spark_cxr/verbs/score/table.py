"""The table of predictions and all that is remembered of earlier runs: one directory, no more.

    TABLE/scored_on=2025-03-01/RUN-00001.parquet    predictions, a file for each batch
    TABLE/_quarantine/scored_on=…                   files that cannot be scored
    TABLE/_waiting/scored_on=…                      files that may be half copied: read once more
    TABLE/_touched/scored_on=…                      new time, same content: no second row
    TABLE/_runs/RUN/run.json                        what a run did
    TABLE/_writer.lock, _writer.holder              one run writes, and which

Readers skip names with _, so `spark.read.parquet(TABLE)` gives the predictions. A file is
written under a hidden name, brought to the disk, and renamed: that is the commit, and there is no
other state. A batch that is cut off between two renames is no harm: its files are in one of the
tables or in none, and those in none are simply new to the next run.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset, fs
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_cxr.choices import DELTA
from spark_cxr.errors import SetupError
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.pipeline.session import SPARK_ERRORS
from spark_cxr.schemas import KNOWN, SCORE_QUARANTINE, SCORES, TOUCHED, columns

LOG = logging.getLogger(__name__)

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
HALF = ".half"
KEY = ("path", "sha256", "model", "modified", "bytes")
KEYS = arrow_schema(KNOWN.replace("timestamp", "bigint"))
"""The same columns, `modified` in microseconds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Table(Protocol):
    """Where rows are kept."""

    def append(self, kind: str, rows: Rows, name: str, at: datetime) -> None:
        """Commit rows of one kind, all or none, less those whose key is there already.

        `name` is the batch's own.
        """
        ...

    def keys(self, kind: str) -> Iterator[pa.RecordBatch]:
        """Give all rows of one kind as `KEYS`."""
        ...


@dataclass(frozen=True)
class ParquetTable:
    """Parquet files, one a batch."""

    output: Output
    _given: dict[str, set[str]] = field(default_factory=dict)
    """The files whose keys this run has, by kind: each commit looks into all others."""

    def append(self, kind: str, rows: Rows, name: str, at: datetime) -> None:
        """Write one file and rename it: no reader ever sees a part of it.

        Another run should not be at work here (`lease.py`), but where one is, because a lease ran
        out or a disk knows no locks, what it has committed is not committed again.
        """
        given = self._given.setdefault(kind, set())
        others = [place for place in committed(self.output, kind) if place not in given]
        there = {key_of(kind, row) for b in self._keys(kind, others) for row in b.to_pylist()}
        new = [row for row in rows if key_of(kind, row) not in there]
        if len(new) < len(rows):
            LOG.warning(f"score: another run has committed {len(rows) - len(new):,} of these rows")
        if new or not rows:
            buffer = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(new, arrow_schema(TABLES[kind])), buffer)
            place = "/".join(filter(None, (kind, f"{SCORED_ON}={at:%Y-%m-%d}", f"{name}.parquet")))
            self.output.write_bytes(place, buffer.getvalue().to_pybytes(), is_durable=True)
            given.add(place)

    def keys(self, kind: str) -> Iterator[pa.RecordBatch]:
        """Read the columns of the key from every file, and note which files these were."""
        places = committed(self.output, kind)
        self._given[kind] = set(places)
        yield from self._keys(kind, places)

    def _keys(self, kind: str, places: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read some files; with a known schema, so that none is opened to infer it."""
        if not places:
            return
        store, root = locate(self.output.address)
        as_ours = dataset.ParquetReadOptions(coerce_int96_timestamp_unit="us")  # Spark writes these
        files = dataset.dataset(
            [f"{root}/{place}" for place in places],
            schema=arrow_schema(KNOWN),
            format=dataset.ParquetFileFormat(read_options=as_ours),
            filesystem=store,
        )
        for batch in files.to_batches():
            yield pa.RecordBatch.from_arrays(
                [batch[name].cast(kind) for name, kind in zip(KEYS.names, KEYS.types, strict=True)],
                schema=KEYS,
            )


def key_of(kind: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what no two rows of a table share; `modified` in microseconds."""
    time = row["modified"]
    micros = (time - EPOCH) // timedelta(microseconds=1) if isinstance(time, datetime) else time
    return tuple(micros if name == "modified" else row[name] for name in key_names(kind))


def key_names(kind: str) -> tuple[str, ...]:
    """Name the columns of the key: a content has one prediction, whatever its time."""
    return KEY[:3] if kind == SCORED else KEY


def sweep(output: Output) -> int:
    """Remove what a killed run has left half written; only the one writer may call it."""
    store, _ = locate(output.address)
    left = [path for path in _files(output) if path.endswith(HALF)]
    for path in left:
        store.delete_file(path)
    return len(left)


def committed(output: Output, kind: str = SCORED) -> list[str]:
    """Name the files of a table, as places below the directory."""
    root = locate(output.address)[1]
    below, start = Output(output.table(kind).rstrip("/")), f"{kind}/{SCORED_ON}".lstrip("/")
    places = (path[len(root) :].lstrip("/") for path in _files(below))
    return sorted(p for p in places if p.startswith(start) and p.endswith(".parquet"))


def _files(output: Output) -> Iterator[str]:
    store, root = locate(output.address)
    for entry in store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        if entry.is_file:
            yield entry.path


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

    def keys(self, kind: str) -> Iterator[pa.RecordBatch]:
        """Read the columns of the key, some rows at a time; none before the first row."""
        store, root = locate(f"{self._place(kind)}/_delta_log")
        if store.get_file_info(root).type == fs.FileType.NotFound:
            return
        table = self.spark.read.format(DELTA).load(self._place(kind))
        rows = table.select(*columns(KNOWN)).withColumn("modified", F.unix_micros("modified"))
        left = rows.toLocalIterator()
        while some := list(islice(left, 10_000)):
            yield pa.RecordBatch.from_pylist([row.asDict() for row in some], schema=KEYS)

    def make(self, kind: str = "") -> None:
        """Create a table if it is not there, or say that the session has no Delta.

        One of an older version gets the columns that it lacks; its rows have null in them.
        """
        place, ddl = self._place(kind), TABLES[kind]
        try:
            self.spark.sql(create_of(place, ddl))
            there = self.spark.read.format(DELTA).load(place).columns
            if statement := widen_of(place, ddl, there):
                self.spark.sql(statement)
        except SPARK_ERRORS as error:
            if DELTA not in str(error).lower():
                raise
            received = f"{self.spark.version} without it"
            way_out = "Say --format parquet, or start Spark with the package delta-spark"
            raise SetupError("a session with Delta for --format delta", received, way_out) from None

    def _place(self, kind: str) -> str:
        return self.output.table(kind).rstrip("/")


def create_of(place: str, ddl: str) -> str:
    """Give the statement that creates a table of predictions."""
    return (
        f"CREATE TABLE IF NOT EXISTS delta.`{place}` ({ddl}, {SCORED_ON} date) "
        f"USING delta PARTITIONED BY ({SCORED_ON})"
    )


def widen_of(place: str, ddl: str, there: Sequence[str]) -> str:
    """Give the statement that adds the columns which a table lacks; empty where it has all."""
    lacking = [each for each in ddl.split(", ") if each.split()[0] not in there]
    return f"ALTER TABLE delta.`{place}` ADD COLUMNS ({', '.join(lacking)})" if lacking else ""


def merge_of(place: str, view: str, kind: str) -> str:
    """Give the statement that adds rows, each at most once."""
    same = " AND ".join(f"known.{name} <=> new.{name}" for name in key_names(kind))
    return (
        f"MERGE INTO delta.`{place}` AS known USING {view} AS new ON {same} "
        "WHEN NOT MATCHED THEN INSERT *"
    )


def write_also(table: Output, suffix: str, labels: Sequence[str]) -> None:
    """Copy every committed file that has no copy yet, those of an earlier, killed run included.

    Args:
        table: Where the committed files are.
        suffix: csv or jsonl.
        labels: Columns of probabilities that a CSV gets if no film in it has any.
    """
    beside = Output(table.table(f"_{suffix}"))
    store, root = locate(beside.address)
    there = store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    done = {entry.path[len(root) :].lstrip("/") for entry in there}
    for name in committed(table):
        copy = f"{name.removesuffix('.parquet')}.{suffix}"
        if copy not in done:
            rows = _read(table, name)
            lines = (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            beside.write_text(copy, _csv(rows, labels) if suffix == "csv" else "".join(lines))


def _read(table: Output, name: str) -> list[dict[str, Any]]:
    store, root = locate(table.address)
    rows: list[dict[str, Any]] = (
        pq.ParquetFile(f"{root}/{name}", filesystem=store).read().to_pylist()
    )
    for row in rows:
        times = {name: row[name] for name in ("modified", "scored_at")}
        row |= {name: time and time.isoformat() for name, time in times.items()}
        row["probabilities"] = dict(row["probabilities"])
        row["verdicts"] = dict(row.get("verdicts") or ())  # files of older versions have none
    return rows


def _csv(rows: list[dict[str, Any]], labels: Sequence[str]) -> str:
    """Write a column for each label, and for its verdict where there are any.

    Several flags stand in one column with spaces between.
    """
    text = io.StringIO()
    named = list(dict.fromkeys(label for row in rows for label in row["probabilities"]))
    judged = list(dict.fromkeys(label for row in rows for label in row["verdicts"]))
    flat = []
    for row in rows:
        found, verdicts = row.pop("probabilities"), row.pop("verdicts")
        shares = {f"probability_{label}": found.get(label) for label in named or labels}
        said = {f"verdict_{label}": verdicts.get(label) for label in judged}
        flat.append({**row, "flags": " ".join(row["flags"]), **shares, **said})
    writer = csv.DictWriter(text, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()
