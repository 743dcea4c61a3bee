"""A run that has left vectors, as featurize would, but by hand: no Spark is needed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.output import RECORD, VECTORS, Output
from tests.quick import defaults, fake_plan

TEXT = pa.string()
FEATURE_ROWS = pa.schema(
    [
        *((name, TEXT) for name in ("path", "sha256", "label", "source", "group_id", "view")),
        ("features", pa.list_(pa.float32())),
    ]
)


def fake_key() -> str:
    """Name the vectors of the fake network."""
    return fake_plan().key(Used("fake", "cpu", "f32", 1, 4))


def run_with_vectors(
    folder: object, rows: Sequence[Mapping[str, Any]], parts: int = 2, key: str = ""
) -> Output:
    """Leave vectors in several files, with the record of a run that ended well."""
    output = Output(str(folder))
    for number in range(parts):
        written = io.BytesIO()
        table = pa.Table.from_pylist([dict(row) for row in rows[number::parts]], FEATURE_ROWS)
        pq.write_table(table, written, row_group_size=7)
        output.write_bytes(f"features/part-{number:05}.parquet", written.getvalue())
    output.write_json(VECTORS, {"network": key or fake_key()})
    output.write_bytes("features/_SUCCESS", b"")
    config = asdict(defaults())
    output.write_json(RECORD, {"status": "ok", "versions": {"spark_cxr": "x"}, "config": config})
    return output
