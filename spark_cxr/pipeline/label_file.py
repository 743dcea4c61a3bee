"""A label file as Spark reads it: CSV whose text was checked, packed or not."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from spark_cxr.datasets import Dataset, LabelJoin
from spark_cxr.errors import InputError, few
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.csv_text import UTF_8, is_zip, read_csv_text, uncompressed
from spark_cxr.pipeline.label_columns import column_or_null
from spark_cxr.schemas import CONTENT, PATH, columns

BATCH = 4096
"""Rows of a packed file that a worker hands over at once."""
LOT = 2**24
"""Bytes of text for a task. Spark reads such a file as one, for a field may hold a line's end."""
BROKEN = "_corrupt_record"
"""Column that Spark adds where a line of JSON is none."""
CHECKED = "encoding string, size bigint, expected string, received string, way_out string"


def read_rows(
    spark: SparkSession, path: str, dataset: Dataset, of_findings: bool = False
) -> DataFrame:
    """Read a label file, all columns as text, and what the data set says lies beside it."""
    ending = dataset.labels.removesuffix(".gz").rpartition(".")[2]
    is_own = path.removesuffix(".gz").endswith(f".{ending}")
    form = dataset if is_own else Dataset(name=dataset.name)
    rows = read_csv(spark, path, form.delimiter, form.header, of_findings)
    folder = path.rpartition("/")[0] or "."
    for name in dataset.more_labels:
        if other := found_file(folder, name):
            more = read_csv(spark, other, dataset.delimiter, dataset.header, of_findings)
            rows = rows.unionByName(more, allowMissingColumns=True)
    for join in dataset.joins:
        if other := found_file(folder, join.file):
            rows = _joined(rows, read_csv(spark, other, of_findings=of_findings), join)
    return rows


def found_file(folder: str, name: str) -> str:
    """Find a file of a folder, packed or not; empty: there is none."""
    for ending in ("", ".gz", ".zip"):
        store, path = locate(absolute(f"{folder}/{name}{ending}"))
        if store.get_file_info(path).is_file:
            return f"{folder}/{name}{ending}"
    return ""


def _joined(rows: DataFrame, other: DataFrame, join: LabelJoin) -> DataFrame:
    """Give each row of the other file what these rows say beside it, in columns it lacks."""
    if {*join.on} - {*rows.columns} or {*join.on} - {*other.columns}:
        return rows
    new = [name for name in rows.columns if name not in other.columns]
    return other.join(rows.select(*join.on, *map(column_or_null, new)), on=[*join.on], how="left")


def read_csv(
    spark: SparkSession,
    path: str,
    delimiter: str = "",
    header: Sequence[str] = (),
    of_findings: bool = False,
) -> DataFrame:
    """Read one file as rows of text.

    Args:
        spark: The session.
        path: A CSV, packed or not, or a JSON object a line.
        delimiter: What stands between columns; empty: a comma.
        header: The columns, where the file does not name them.
        of_findings: Refuse what would make or lose a finding without a word; see `csv_text`.
    """
    options = {"header": str(not header).lower(), "multiLine": "true", "escape": '"'}
    try:
        if path.removesuffix(".gz").endswith(".json"):
            _check_text(spark, path, of_findings, is_csv=False)
            rows = spark.read.json(absolute(path))
            if BROKEN in rows.columns:
                way_out = "Correct the lines that are no JSON, or fetch it again"
                raise InputError("a JSON object in each line", path, way_out)
            return rows.select(*(column_or_null(name).cast("string") for name in rows.columns))
        # Rows of a file that names no columns, or has other signs than commas, are not counted.
        encoding, lots = _check_text(spark, path, of_findings and not header and not delimiter)
        if is_zip(path):
            return _dealt(_of_archive(spark, path), lots)
        reader = spark.read.options(**options, encoding=encoding, sep=delimiter or ",")
        rows = reader.csv(absolute(path))
        if not rows.columns:
            raise InputError("a label file with a header", path, "Check the file")
    except AnalysisException as error:
        received = f"{path} ({str(error).splitlines()[0]})"
        raise InputError("a label file that can be read", received, "Check --labels") from None
    if header and len(header) != len(rows.columns):
        received = f"{path} with {len(rows.columns):,}"
        raise InputError(f"{len(header):,} columns", received, "Check --labels")
    return _dealt(rows.toDF(*header) if header else rows, lots)


def _dealt(rows: DataFrame, lots: int) -> DataFrame:
    """Deal the rows of a large file out to several tasks; a small one is done sooner by one."""
    return rows.repartition(lots) if lots > 1 else rows


def _of_archive(spark: SparkSession, path: str) -> DataFrame:
    """Read a packed CSV on a worker, row by row: Spark has no codec for it."""
    files = spark.read.format("binaryFile").load(absolute(path)).select(CONTENT, PATH)
    first = files.mapInArrow(_header, "name string").collect()
    names = [row["name"] for row in first]
    ddl = T.StructType([T.StructField(name, T.StringType()) for name in names])
    return files.mapInArrow(partial(_records, len(names)), ddl)


def _packed_rows(batches: Iterator[pa.RecordBatch]) -> Iterator[list[str]]:
    for batch in batches:
        for row in batch.to_pylist():
            text = read_csv_text(uncompressed(row[CONTENT], row[PATH]), row[PATH]).text
            yield from csv.reader(io.StringIO(text, newline=""))


def _header(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    first = next(_packed_rows(batches), [])
    yield pa.RecordBatch.from_arrays([pa.array(first, pa.string())], ["name"])


def _records(width: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows = _packed_rows(batches)
    next(rows, None)
    while some := list(itertools.islice(rows, BATCH)):
        whole = [(row + [""] * width)[:width] for row in some]
        cells = ([each or None for each in column] for column in zip(*whole, strict=True))
        arrays = [pa.array(column, pa.string()) for column in cells]
        yield pa.RecordBatch.from_arrays(arrays, [f"c{n}" for n in range(width)])


def _check_text(
    spark: SparkSession, path: str, of_findings: bool, is_csv: bool = True
) -> tuple[str, int]:
    """Refuse a label file that Spark would not read as it is meant.

    Of what is no CSV, only what cannot be unpacked.

    Returns:
        Its encoding, and how many lots its text is.
    """
    files = spark.read.format("binaryFile").load(absolute(path)).select(CONTENT, PATH)
    found = files.mapInArrow(partial(_texts, path, of_findings, is_csv), CHECKED).collect()
    for row in found:
        if row["expected"]:
            raise InputError(row["expected"], row["received"], row["way_out"])
    encodings = sorted({row["encoding"] for row in found})
    if len(encodings) > 1:
        way_out = "Save them as CSV in UTF-8"
        raise InputError("label files of one encoding", f"{path}: {few(encodings)}", way_out)
    return encodings[0] if encodings else UTF_8, sum(row["size"] for row in found) // LOT


def _texts(
    name: str, of_findings: bool, is_csv: bool, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Check on a worker, where any store of Spark's can be read."""
    for batch in batches:
        rows = [("", 0, "", "", "")] * batch.num_rows
        for number, row in enumerate(batch.to_pylist()):
            try:
                content = uncompressed(row[CONTENT], row[PATH])
                is_read = is_csv and read_csv_text(content, name, of_findings)
                rows[number] = (is_read.encoding if is_read else UTF_8, len(content), "", "", "")
            except InputError as error:
                rows[number] = ("", 0, *error.args)
        arrays = map(pa.array, zip(*rows, strict=True))
        yield pa.RecordBatch.from_arrays([*arrays], columns(CHECKED))
