"""The DDL of a table as an Arrow schema, for what is made in Python and handed to Spark."""

from __future__ import annotations

import pyarrow as pa

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
}


def arrow_schema(ddl: str) -> pa.Schema:
    """Give the Arrow schema of a table's DDL."""
    return pa.schema([(name, KINDS[kind]) for name, kind in map(str.split, ddl.split(", "))])
