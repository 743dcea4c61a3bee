"""A column of vectors as others write it → rows of 32-bit numbers, each with its digest or fault.

No Spark in here: workers and the one process that scores without a session read the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Vector = NDArray[np.float32]
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
ML_VECTOR = {"type", "size", "indices", "values"}
"""The fields in which Spark ML keeps a vector, dense or sparse."""
NULL, EMPTY, NOT_FINITE = "null", "empty", "NaN or infinite"


@dataclass(frozen=True)
class VectorRow:
    """One vector of a table; with a fault it cannot be used."""

    values: Vector
    fault: str = ""

    @property
    def digest(self) -> str:
        """Name the vector by its content."""
        return hashlib.sha256(self.values.astype("<f4").tobytes()).hexdigest()


def is_vector_type(kind: pa.DataType) -> bool:
    """Tell a column of vectors: lists of floating-point numbers, or Spark ML's own form."""
    if pa.types.is_struct(kind):
        return {field.name for field in kind} == ML_VECTOR
    is_list = any(is_kind(kind) for is_kind in LISTS)
    return is_list and kind.value_type in (pa.float32(), pa.float64())


def vector_rows(column: pa.Array) -> Iterator[VectorRow]:
    """Read a column of vectors, row by row."""
    if isinstance(column, pa.ChunkedArray):
        for chunk in column.chunks:
            yield from vector_rows(chunk)
    elif pa.types.is_struct(column.type):
        yield from (_row(_of_ml(value)) for value in column.to_pylist())
    else:
        yield from map(_row, _of_list(column))


def _of_list(column: pa.Array) -> Iterator[Vector | None]:
    """Cut the numbers of all rows, taken out at once, where each row ends; a null in one is NaN."""
    kind = column.type.value_type
    column = column.cast(pa.large_list(kind))  # a list of fixed size has no offsets
    numbers = column.values.to_numpy(zero_copy_only=False)
    # A number beyond 32 bits becomes infinite, and is then a fault of its row.
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = numbers.astype(np.float32, copy=False)
    ends = column.offsets.to_numpy()
    present = column.is_valid().to_numpy(zero_copy_only=False)
    for start, end, is_there in zip(ends[:-1], ends[1:], present, strict=True):
        yield numbers[start:end] if is_there else None


def _of_ml(value: Mapping[str, object] | None) -> Vector | None:
    if value is None:
        return None
    values = np.asarray(value["values"], np.float64).astype(np.float32)
    if value["indices"] is None:
        return values
    whole = np.zeros(int(str(value["size"])), np.float32)
    whole[np.asarray(value["indices"], np.int64)] = values
    return whole


def _row(values: Vector | None) -> VectorRow:
    if values is None:
        return VectorRow(np.empty(0, np.float32), NULL)
    if not len(values):
        return VectorRow(values, EMPTY)
    return VectorRow(values, "" if np.isfinite(values).all() else NOT_FINITE)
