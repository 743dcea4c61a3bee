"""Rows of a table of vectors on Spark: read, brought into one form, and checked all together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, FloatType

from spark_cxr.errors import InputError, few
from spark_cxr.output import absolute
from spark_cxr.pipeline.label_match import shortened
from spark_cxr.pipeline.vector_arrays import VectorRow, vector_rows
from spark_cxr.pipeline.vector_table import (
    VectorSource,
    VectorTable,
    find_columns,
    table_of_files,
)
from spark_cxr.schemas import FEATURES

KEY, DIGEST, FAULT = "vector_key", "vector_digest", "vector_fault"
ROWS = f"{KEY} string, {FEATURES} array<float>, {DIGEST} string, {FAULT} string"
"""One row of the table; with a fault the vector is empty."""
NO_KEY = "no key"
EXAMPLES = 3


@dataclass(frozen=True)
class RowCounts:
    """What a table of vectors has in all."""

    rows: int
    unusable: int
    length: int
    digest: str
    repeats: bool
    """A row stands there more than once."""


def open_table(spark: SparkSession, source: VectorSource) -> tuple[VectorTable, DataFrame]:
    """Open a table of vectors on Spark, and find its columns."""
    if not source.is_name:
        table, reader = table_of_files(source), spark.read
        if not source.address.rstrip("/").endswith(".parquet"):
            reader = reader.option("pathGlobFilter", "*.parquet")
        return table, reader.parquet(absolute(source.address))
    try:
        rows = spark.table(source.address)
        kinds = {field.name: field.dataType for field in rows.schema}
    except AnalysisException as error:
        received = f"{source.shown} ({str(error).splitlines()[0][:120]})"
        way_out = "Name the --out of an earlier run, a Parquet file, a folder of these, or a table"
        raise InputError("an earlier run, or vectors", received, way_out) from None
    key, column = find_columns(kinds, source, _is_vector)
    return VectorTable(source, key, column, tuple(kinds)), rows


def _is_vector(kind: DataType) -> bool:
    if isinstance(kind, ArrayType):
        return isinstance(kind.elementType, FloatType | DoubleType)
    return isinstance(kind, VectorUDT)


def in_one_form(rows: DataFrame, table: VectorTable, own: Mapping[str, str]) -> DataFrame:
    """Give `ROWS`, and beside them columns of the table as text, under the names of `own`."""
    vector = F.col(f"`{table.column}`")
    if isinstance(rows.schema[table.column].dataType, VectorUDT):
        vector = F.when(vector.isNotNull(), vector_to_array(vector))
    texts = {KEY: table.key, **own}
    named = [F.col(f"`{column}`").cast("string").alias(name) for name, column in texts.items()]
    ddl = ", ".join((ROWS, *(f"{name} string" for name in own)))
    return rows.select(vector.alias(FEATURES), *named).mapInArrow(_formed, ddl)


def _formed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = list(vector_rows(batch[FEATURES]))
        keys = batch[KEY].to_pylist()
        faults = [
            row.fault if (key or "").strip() else NO_KEY
            for row, key in zip(found, keys, strict=True)
        ]
        made = {
            KEY: batch[KEY].cast(pa.string()),
            FEATURES: _lists(found, faults),
            DIGEST: pa.array([row.digest for row in found], pa.string()),
            FAULT: pa.array(faults, pa.string()),
        }
        own = [name for name in batch.schema.names if name not in made]
        made |= {name: batch[name].cast(pa.string()) for name in own}
        yield pa.RecordBatch.from_pydict(made)


def _lists(found: Sequence[VectorRow], faults: Sequence[str]) -> pa.Array:
    empty = np.empty(0, np.float32)
    kept = [empty if fault else row.values for row, fault in zip(found, faults, strict=True)]
    ends = np.cumsum([0, *map(len, kept)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, np.concatenate([empty, *kept]))


def check_rows(rows: DataFrame, table: VectorTable, keeps: bool) -> RowCounts:
    """Refuse what is no table of vectors of one network; rows that `keeps` allows are counted.

    Args:
        rows: As `in_one_form` gives them; read twice.
        table: Where they come from.
        keeps: Rows without a usable vector may be left out.
    """
    size, is_good = F.size(FEATURES), F.col(FAULT) == ""
    lots = (F.xxhash64(KEY, DIGEST), F.xxhash64(DIGEST, KEY))
    found = rows.groupBy(FAULT).agg(
        F.count(F.lit(1)).alias("n"),
        F.min(size).alias("least"),
        F.max(size).alias("most"),
        *(F.bit_xor(lot).alias(f"lot{i}") for i, lot in enumerate(lots)),
    )
    by_fault = {row[FAULT]: row for row in found.collect()}
    shown, good = table.source.shown, by_fault.pop("", None)
    faults = ", ".join(f"{row['n']:,} {fault}" for fault, row in sorted(by_fault.items()))
    n_bad = sum(row["n"] for row in by_fault.values())
    if good is None:
        received = f"{shown} with {faults or 'no row'}"
        raise InputError("rows with a vector", received, "Check --features-column")
    if n_bad and not keeps:
        received = f"{shown}: of {n_bad + good['n']:,} rows {faults}"
        way_out = "Correct the table, or leave such rows out with --unmatched keep"
        raise InputError("a key and a vector of finite numbers in each row", received, way_out)
    if good["least"] != good["most"]:
        received = f"{shown} with lengths from {good['least']:,} to {good['most']:,}"
        raise InputError("vectors of one length", received, "Write those of one network only")
    repeats = _check_once(rows.where(is_good), shown)
    content = f"{good['n']}:{good['most']}:{good['lot0']}:{good['lot1']}"
    digest = hashlib.sha256(content.encode()).hexdigest()
    return RowCounts(n_bad + good["n"], n_bad, good["most"], digest, repeats)


def _check_once(rows: DataFrame, shown: str) -> bool:
    """Refuse keys with two rows that say different things; tell whether equal ones repeat."""
    others = [name for name in rows.columns if name not in (KEY, FEATURES, FAULT)]
    kinds = F.count_distinct(F.struct(*others)).alias("kinds")
    repeated = rows.groupBy(KEY).agg(kinds, F.count(F.lit(1)).alias("n")).where(F.col("n") > 1)
    doubled = repeated.where(F.col("kinds") > 1)
    if count := doubled.count():
        first = [row[KEY] for row in doubled.orderBy(KEY).limit(EXAMPLES).collect()]
        rest = f" and {count - len(first):,} more" if count > len(first) else ""
        received = f"{shown}: {few([shortened(key) for key in first])}{rest} with several"
        way_out = "Leave one of them, or name another column with --features-key"
        raise InputError("one vector for each key", received, way_out)
    return bool(repeated.limit(1).count())


def usable(rows: DataFrame, counts: RowCounts) -> DataFrame:
    """Take the rows that can be used, each key once."""
    good = rows.where(F.col(FAULT) == "").drop(FAULT)
    return good.distinct() if counts.repeats else good
