"""A label file as Spark reads it: CSV whose text was checked, packed or not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.errors import InputError
from spark_cxr.output import absolute
from spark_cxr.pipeline.csv_text import UTF_8, read_csv_text, uncompressed
from spark_cxr.schemas import CONTENT, PATH, columns
from spark_cxr.settings import few

CHECKED = "encoding string, expected string, received string, way_out string"


def read_csv(spark: SparkSession, path: str) -> DataFrame:
    """Read a label file, all columns as text."""
    options = {"header": "true", "multiLine": "true", "escape": '"'}
    try:
        encoding = _check_text(spark, path)
        rows = spark.read.options(**options, encoding=encoding).csv(absolute(path))
        if not rows.columns:
            raise InputError("a label file with a header", path, "Check the file")
    except AnalysisException as error:
        received = f"{path} ({str(error).splitlines()[0]})"
        raise InputError("a label file that can be read", received, "Check --labels") from None
    return rows


def _check_text(spark: SparkSession, path: str) -> str:
    """Name the encoding of a label file; refuse one that Spark would not read as it is meant."""
    files = spark.read.format("binaryFile").load(absolute(path)).select(CONTENT, PATH)
    found = files.mapInArrow(partial(_texts, path), CHECKED).collect()
    for row in found:
        if row["expected"]:
            raise InputError(row["expected"], row["received"], row["way_out"])
    encodings = sorted({row["encoding"] for row in found})
    if len(encodings) > 1:
        way_out = "Save them as CSV in UTF-8"
        raise InputError("label files of one encoding", f"{path}: {few(encodings)}", way_out)
    return encodings[0] if encodings else UTF_8


def _texts(name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Check on a worker, where any store of Spark's can be read."""
    for batch in batches:
        rows = [("", "", "", "")] * batch.num_rows
        for number, row in enumerate(batch.to_pylist()):
            try:
                text = read_csv_text(uncompressed(row[CONTENT], row[PATH]), name)
                rows[number] = (text.encoding, "", "", "")
            except InputError as error:
                rows[number] = ("", *error.args)
        columns_ = zip(*rows, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(c, pa.string()) for c in columns_], columns(CHECKED)
        )
