"""The files of a score table, read on and on with pyarrow: no session, and flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from spark_cxr.errors import InputError, few
from spark_cxr.output import Output, absolute, locate

SCORED, QUARANTINED, WAITING = "", "_quarantine", "_waiting"
"""Tables of `score` below its directory."""
DELTA_LOG = "_delta_log"
ROWS = 1 << 16
READ_BYTES = 1 << 20
TEXT, NUMBER, TIME = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")
SCORE_COLUMNS: Mapping[str, pa.DataType] = {
    **{"path": TEXT, "sha256": TEXT, "prediction": TEXT, "confidence": NUMBER},
    **{"probabilities": pa.map_(TEXT, NUMBER), "model": TEXT, "scored_at": TIME},
    **{"modified": TIME, "training_distance": NUMBER, "flags": pa.list_(TEXT)},
}
QUARANTINE_COLUMNS: Mapping[str, pa.DataType] = {
    **{"reason": TEXT, "model": TEXT, "scored_at": TIME, "modified": TIME},
}
WAY_OUT = "Name the --table of score, or a copy of it as Parquet"


def open_scores(address: str) -> Output:
    """Find a table of scores.

    Raises:
        InputError: There is none, or it is a Delta table.
    """
    output = Output(absolute(address).rstrip("/"))
    store, root = locate(output.address)
    if store.get_file_info(root).type != fs.FileType.Directory:
        raise InputError("a directory as --table", f"--table={address}: none", WAY_OUT)
    if store.get_file_info(f"{root}/{DELTA_LOG}").type != fs.FileType.NotFound:
        way_out = "Copy it: spark.read.format('delta').load(TABLE).write.parquet(COPY)"
        raise InputError("a table of Parquet files", f"--table={address}, of Delta", way_out)
    return output


def parquet_files(output: Output, kind: str = SCORED) -> list[str]:
    """Name the files of one of its tables; what begins with _ or . below it is none of it."""
    store, root = locate(output.table(kind).rstrip("/"))
    found = store.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    paths = (entry.path for entry in found if entry.is_file and entry.path.endswith(".parquet"))
    inside = ((path, path[len(root) :].lstrip("/").split("/")) for path in paths)
    return sorted(
        path for path, parts in inside if not any(p.startswith(("_", ".")) for p in parts)
    )


def batches_of(
    output: Output, kind: str, columns: Mapping[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table, as they should be, some rows at a time.

    Raises:
        InputError: A file is no Parquet, is cut off, or has other columns.
    """
    store, _ = locate(output.address)
    for path in parquet_files(output, kind):
        try:
            yield from _batches(store, path, columns)
        except (pa.ArrowException, OSError) as error:
            received = f"{path} ({str(error).splitlines()[0][:120]})"
            way_out = "Copy that file again, or move it away"
            raise InputError("whole Parquet files in --table", received, way_out) from None


def check_scores(address: str) -> None:
    """Look into a table of scores before somebody else reads it.

    Raises:
        InputError: It has no Parquet files, or the first of them is of another table.
    """
    output = open_scores(address)
    if next(batches_of(output, SCORED, SCORE_COLUMNS), None) is None:
        raise InputError("scores in --table", f"--table={address}: none", WAY_OUT)


def _batches(
    store: fs.FileSystem, path: str, columns: Mapping[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    with store.open_input_file(path) as file:
        rows = pq.ParquetFile(
            file, buffer_size=READ_BYTES, pre_buffer=False, coerce_int96_timestamp_unit="us"
        )
        if missing := [name for name in columns if name not in rows.schema_arrow.names]:
            expected = f"a table with the columns {few(list(columns))}"
            raise InputError(expected, f"{path} without {few(missing)}", WAY_OUT)
        for batch in rows.iter_batches(ROWS, columns=list(columns), use_threads=False):
            yield _as_ours(batch, columns, path)


def _as_ours(
    batch: pa.RecordBatch, columns: Mapping[str, pa.DataType], path: str
) -> pa.RecordBatch:
    arrays = []
    for name, kind in columns.items():
        try:
            arrays.append(batch.column(name).cast(kind))
        except pa.ArrowException:
            received = f"{path}, where it is {batch.schema.field(name).type}"
            raise InputError(f"the column {name} as {kind}", received, WAY_OUT) from None
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))
