"""Files of an export are whole or not there, and take no more memory for more rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from spark_cxr import config
from spark_cxr.pipeline import export
from spark_cxr.pipeline.export import VectorExport, check_export
from spark_cxr.pipeline.vector_table import KEY
from spark_cxr.schemas import FEATURES

ROWS, LENGTH = 10, 4
DISK = fs.LocalFileSystem()
SCHEMA = pa.schema(
    [("path", pa.string()), (FEATURES, pa.list_(pa.float32(), LENGTH))], metadata={KEY: "k"}
)
NUMBERS = np.arange(2 * ROWS * LENGTH, dtype=np.float32)


def batches(breaks: bool = False) -> Iterator[pa.RecordBatch]:
    """Give two batches, the second of which may never come."""
    for numbers in np.split(NUMBERS, 2):
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers), LENGTH)
        names = pa.array([f"{i:.0f}.png" for i in numbers[::LENGTH]])
        yield pa.RecordBatch.from_arrays([names, vectors], schema=SCHEMA)
        if breaks:
            raise RuntimeError("a worker has died")


def exported(breaks: bool = False) -> VectorExport:
    return VectorExport(SCHEMA, batches(breaks), 2 * ROWS, LENGTH, {KEY: "k"})


def settings(place: Path, kind: str) -> export.Export:
    return config.defaults(export={"export": str(place), "export_format": kind}).export


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (export._write_parquet, "v.parquet"),
        (export._write_parquet, "folder"),
        (export._write_npy, "folder"),
    ],
)
def test_an_export_that_breaks_off_leaves_nothing(tmp_path, write, name):
    with pytest.raises(RuntimeError, match="a worker has died"):
        write(exported(breaks=True), DISK, str(tmp_path / name))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert write(exported(), DISK, str(tmp_path / name)) == 2 * ROWS


def test_an_array_of_numpy_is_what_came(tmp_path):
    export._write_npy(exported(), DISK, str(tmp_path / "N"))
    vectors = np.load(tmp_path / "N" / "vectors.npy", allow_pickle=False)
    assert vectors.tolist() == NUMBERS.reshape(-1, LENGTH).tolist()
    assert sorted(path.name for path in (tmp_path / "N").iterdir()) == [
        *("keys.csv", "vectors.json", "vectors.npy"),
    ]


def test_a_smaller_export_leaves_nothing_of_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "NUMBERS_A_FILE", LENGTH)
    export._write_parquet(exported(), DISK, str(tmp_path / "P"))
    assert len(list((tmp_path / "P").iterdir())) == 2
    check_export(settings(tmp_path / "P", "npy"), overwrite=True)
    export._remove_ours(DISK, str(tmp_path / "P"))
    assert list((tmp_path / "P").iterdir()) == []


def test_lance_has_rows_and_metadata(tmp_path):
    lance = pytest.importorskip("lance")
    place = tmp_path / "v.lance"
    for _ in range(2):
        assert export._write_lance(exported(), str(place)) == 2 * ROWS
        check_export(settings(place, "lance"), overwrite=True)
    found = lance.dataset(str(place))
    assert (found.count_rows(), found.schema.metadata[KEY.encode()]) == (2 * ROWS, b"k")
    assert found.schema.field(FEATURES).type.list_size == LENGTH


def test_metadata_come_back_with_the_file(tmp_path):
    export._write_parquet(exported(), DISK, str(tmp_path / "v.parquet"))
    assert pq.read_schema(tmp_path / "v.parquet").metadata[KEY.encode()] == b"k"
