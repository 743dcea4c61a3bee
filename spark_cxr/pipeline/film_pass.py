"""The pass over films (`images/film_pass.py`) on Spark's workers: a table of files in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from spark_cxr.images.apart import peak_of
from spark_cxr.images.clock import Clock
from spark_cxr.images.film_pass import FilmPass, FilmViews
from spark_cxr.pipeline.progress import SPENT, FilmCount, Watch
from spark_cxr.pipeline.worker_files import FileLost, read_whole
from spark_cxr.schemas import CONTENT, PATH

KINDS = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<string>": pa.list_(pa.string()),
    "array<int>": pa.list_(pa.int32()),
    "array<float>": pa.list_(pa.float32()),
    "array<double>": pa.list_(pa.float64()),
    "array<array<float>>": pa.list_(pa.list_(pa.float32())),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
    "map<string,boolean>": pa.map_(pa.string(), pa.bool_()),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
}
Batches = Iterator[pa.RecordBatch]


def arrow_schema(ddl: str) -> pa.Schema:
    """Give the Arrow schema of a table's DDL."""
    return pa.schema([(name, KINDS[kind]) for name, kind in map(str.split, ddl.split(", "))])


@dataclass(frozen=True)
class TableFile:
    """A file in an Arrow batch; its bytes are taken out where they are worked on, not before."""

    batch: pa.RecordBatch
    index: int

    @property
    def weight(self) -> int:
        """Say how many bytes the content has, or had when the file was listed."""
        content = self.batch[CONTENT][self.index]
        return len(content.as_buffer()) if content.is_valid else int(self["bytes"])

    def read(self) -> bytes:
        """Copy the content out of the batch; where it is null, read the file.

        Raises:
            FileLost: there is no such file to read.
        """
        content: bytes | None = self.batch[CONTENT][self.index].as_py()
        return read_whole(self[PATH]) if content is None else content

    def __str__(self) -> str:
        """Name it in the log."""
        return str(self[PATH]) if PATH in self.batch.schema.names else "a film"

    def __getitem__(self, column: str) -> Any:
        """Give what stands in another column."""
        return self.batch[column][self.index].as_py()

    def row(self) -> dict[str, Any]:
        """Give all columns but the content."""
        return {name: self[name] for name in self.batch.schema.names if name != CONTENT}


TablePass = FilmPass[TableFile, Any, Mapping[str, Any] | None]
"""A row of None is left out."""


def over_films(
    table: DataFrame, make: Callable[[], TablePass | None], ddl: str, watch: Watch | None = None
) -> DataFrame:
    """Run a pass over a table with the column `content`; its rows are a table of this DDL.

    Args:
        table: One row a file, with whatever the pass wants to know of it.
        make: Makes the pass on the worker, where its networks are loaded; None gives no rows.
        ddl: Of the rows.
        watch: Is told how far the pass is, and where its time goes.
    """
    ddl = f"{ddl}, {SPENT} array<double>"
    rows = table.mapInArrow(on_batches(make, ddl, watch.folder if watch else ""), ddl)
    return watch.observed(rows) if watch else rows.drop(SPENT)


def on_batches(
    make: Callable[[], TablePass | None], ddl: str, folder: str = ""
) -> Callable[[Batches], Batches]:
    """Make the function that the workers run over their batches; the last column is `SPENT`.

    They count their films below `folder`, where there is one.
    """

    def run(batches: Batches) -> Batches:
        film_pass, schema = make(), arrow_schema(ddl)
        if film_pass is None:
            return
        film_pass, clock, count = _without_lost(film_pass), film_pass.clock, FilmCount(folder)
        parts = (
            [TableFile(batch, i) for i in range(batch.num_rows)] for batch in _timed(batches, clock)
        )
        for rows in film_pass.rows(parts):
            count.add(len(rows))
            kept = [dict(row) for row in rows if row is not None]
            if kept:
                kept[0][SPENT] = [len(kept), *clock.take(), peak_of()]
            with clock.stage("spark"):
                yield pa.RecordBatch.from_pylist(kept, schema=schema)
        count.end()

    return run


def _timed(batches: Batches, clock: Clock) -> Batches:
    """Add the time in which batches are waited for to Spark's."""
    while True:
        with clock.stage("spark"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _without_lost(film_pass: TablePass) -> TablePass:
    """Leave out the row of a file that is gone when it is to be read, for the caller to notice."""

    def open_(file: TableFile) -> FilmViews[Any]:
        try:
            return film_pass.open(file)
        except FileLost:
            return FilmViews(None)

    def row(note: Any, found: tuple[Any, ...]) -> Mapping[str, Any] | None:
        return None if note is None else film_pass.row(note, found)

    return replace(film_pass, open=open_, row=row)
