"""What MLlib has saved of a fitted pipeline, read without Java: metadata and Parquet tables.

The files are the same for classic sessions and Spark Connect, from Spark 3.5 to 4.3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from spark_cxr.errors import InputError

SPARSE = 0
"""The type that MLlib gives to sparse vectors and matrices; dense ones have 1."""


@dataclass(frozen=True)
class Stage:
    """One fitted stage as it lies on disk."""

    kind: str
    """The name of its class in MLlib, without the package."""
    params: Mapping[str, Any]
    store: fs.FileSystem
    root: str

    def table(self, name: str) -> pa.Table:
        """Read one of its tables."""
        return pq.read_table(f"{self.root}/{name}", filesystem=self.store)

    def row(self) -> Mapping[str, Any]:
        """Read its only row of data."""
        rows: list[Mapping[str, Any]] = self.table("data").to_pylist()
        if len(rows) != 1:
            raise InputError(f"one row of {self.kind}", f"{len(rows)} rows", "Train again")
        return rows[0]


def read_stages(store: fs.FileSystem, root: str) -> tuple[Stage, ...]:
    """Read what a saved PipelineModel consists of, in order."""
    try:
        pipeline = _metadata(store, root)
        if not pipeline["class"].endswith(".PipelineModel"):
            raise ValueError(f"class {pipeline['class']}")
        found = store.get_file_info(fs.FileSelector(f"{root}/stages"))
        places = sorted(entry.path for entry in found if entry.type == fs.FileType.Directory)
        return tuple(_stage(store, place) for place in places)
    except (OSError, ValueError, KeyError, IndexError) as error:
        received = f"{root} ({error})"
        raise InputError("a pipeline as MLlib saves it", received, "Train again") from None


def _stage(store: fs.FileSystem, root: str) -> Stage:
    metadata = _metadata(store, root)
    params = {**metadata.get("defaultParamMap", {}), **metadata["paramMap"]}
    return Stage(metadata["class"].rsplit(".", 1)[-1], params, store, root)


def _metadata(store: fs.FileSystem, root: str) -> dict[str, Any]:
    files = store.get_file_info(fs.FileSelector(f"{root}/metadata"))
    path = next(entry.path for entry in files if entry.base_name.startswith("part-") and entry.size)
    with store.open_input_stream(path) as stream:
        metadata: dict[str, Any] = json.loads(stream.read())
    return metadata


def vector(saved: Mapping[str, Any]) -> NDArray[np.float64]:
    """Unpack a vector of MLlib."""
    values = np.asarray(saved["values"], dtype=np.float64)
    if saved["type"] != SPARSE:
        return values
    full = np.zeros(saved["size"])
    full[np.asarray(saved["indices"], dtype=int)] = values
    return full


def matrix(saved: Mapping[str, Any]) -> NDArray[np.float64]:
    """Unpack a matrix of MLlib: by columns, or by rows where it says that it is transposed."""
    shape = (saved["numRows"], saved["numCols"])
    outer = shape if saved["isTransposed"] else shape[::-1]
    values = np.asarray(saved["values"], dtype=np.float64)
    if saved["type"] == SPARSE:
        starts, inner = np.asarray(saved["colPtrs"]), np.asarray(saved["rowIndices"], dtype=int)
        full = np.zeros(outer)
        full[np.repeat(np.arange(outer[0]), np.diff(starts)), inner] = values
    else:
        full = values.reshape(outer)
    return full if saved["isTransposed"] else full.T
