"""Columns of vectors in every form that others write give the same rows, or a fault."""

import numpy as np
import pyarrow as pa
import pytest

from spark_cxr.pipeline.vector_arrays import (
    EMPTY,
    NOT_FINITE,
    NULL,
    is_vector_type,
    vector_rows,
)

ROWS = [[1.5, -2.0, 0.25], None, [3.0, 4.0, 5.0]]
ML = pa.struct(
    [
        ("type", pa.int8()),
        ("size", pa.int32()),
        ("indices", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
    ]
)
DENSE = [row and {"type": 1, "size": None, "indices": None, "values": row} for row in ROWS]
SPARSE = [row and {"type": 0, "size": 3, "indices": [0, 1, 2], "values": row} for row in ROWS]
FORMS = {
    "floats": pa.array(ROWS, pa.list_(pa.float32())),
    "doubles": pa.array(ROWS, pa.list_(pa.float64())),
    "large": pa.array(ROWS, pa.large_list(pa.float64())),
    "fixed": pa.array(ROWS, pa.list_(pa.float32(), 3)),
    "dense": pa.array(DENSE, ML),
    "sparse": pa.array(SPARSE, ML),
    "chunks": pa.chunked_array([pa.array(ROWS[:1], pa.list_(pa.float32())), ROWS[1:]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str) -> None:
    column = FORMS[form]
    assert is_vector_type(column.type)
    found = list(vector_rows(column))
    assert [row.fault for row in found] == ["", NULL, ""]
    assert [row.values.tolist() for row in found] == [ROWS[0], [], ROWS[2]]
    assert {row.values.dtype for row in found} == {np.dtype(np.float32)}
    assert found[0].digest != found[2].digest
    assert found[0].digest == next(vector_rows(FORMS["floats"])).digest


@pytest.mark.parametrize("form", ["floats", "fixed", "dense"])
def test_a_part_of_a_column_gives_its_own_rows(form: str) -> None:
    part = FORMS[form].slice(2, 1)
    assert [row.values.tolist() for row in vector_rows(part)] == [ROWS[2]]


def test_a_sparse_vector_has_zeros_between() -> None:
    sparse = {"type": 0, "size": 4, "indices": [2], "values": [7.0]}
    (row,) = vector_rows(pa.array([sparse], ML))
    assert row.values.tolist() == [0, 0, 7, 0]


def test_numbers_that_are_none_are_faults() -> None:
    bad = [[1.0, float("nan")], [float("inf"), 1.0], [1e300, 1.0], [None, 1.0], [], [1.0, 2.0]]
    found = [row.fault for row in vector_rows(pa.array(bad, pa.list_(pa.float64())))]
    assert found == [NOT_FINITE] * 4 + [EMPTY, ""]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.float32(), pa.list_(pa.string()), pa.list_(pa.int32()), pa.binary()]
)
def test_other_columns_are_no_vectors(kind: pa.DataType) -> None:
    assert not is_vector_type(kind)
