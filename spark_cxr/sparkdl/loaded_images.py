"""Loaded images in a Parquet cache: written by the executors, read back a few rows at a time.

The rows lie in the order of a hash of what they are, so that neither the partitions nor the order
of the table they come from decide which rows a batch has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs, parquet
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NumericType

from spark_cxr.errors import InputError
from spark_cxr.output import locate
from spark_cxr.sparkdl.keras_file import shaped

LOADED = "struct<shape: array<int>, pixels: binary>"
GROUP_BYTES = 2**23
"""Of a row group, which is the least that can be read: Spark's own 128 MB would all be held."""
Load = Callable[[Any], NDArray[Any] | None]
Batch = tuple[NDArray[np.float32], ...]
"""Images, and their targets where there are any."""


@dataclass(frozen=True)
class Group:
    """A row group of the cache, and the numbers that its rows have among all rows."""

    path: str
    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class LoadedImages:
    """A cache that is ready to be read."""

    store: fs.FileSystem
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        """Count the images."""
        return self.groups[-1].stop if self.groups else 0

    def read(self, start: int, stop: int) -> Batch:
        """Read the rows with these numbers; no more is held than the row groups they lie in."""
        starts = [group.start for group in self.groups]
        parts = []
        for group in self.groups[bisect_right(starts, start) - 1 :]:
            if group.start >= stop:
                break
            rows = self._group(group)
            first = max(start - group.start, 0)
            parts.append(_arrays(rows.slice(first, stop - group.start - first)))
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _group(self, group: Group) -> pa.Table:
        with parquet.ParquetFile(group.path, filesystem=self.store) as file:
            return file.read_row_group(group.number)


def write(rows: DataFrame, uri: str, target: Column | None, load: Load, address: str) -> None:
    """Let the executors load the images that a column names, and write them with their targets.

    Where `load` gives None, or a target is null, the row is left out.
    """
    targets = {} if target is None else {"target": target}
    named = rows.select(F.col(uri).alias("uri"), *(c.alias(name) for name, c in targets.items()))
    keyed = named.withColumn("key", F.xxhash64("uri", *targets))
    for name in targets:
        keyed = keyed.where(F.col(name).isNotNull())
    lots = keyed.repartitionByRange(_parts(rows), "key").sortWithinPartitions("key", "uri")
    # A row at a time: Arrow would gather thousands of loaded images in one batch.
    loaded = F.udf(_loader(load), LOADED, useArrow=False).asNondeterministic()
    images = lots.withColumn("image", loaded("uri")).where(F.col("image").isNotNull())
    small_groups = {
        "parquet.block.size": GROUP_BYTES,
        "parquet.page.size.row.check.min": 1,
        "parquet.page.size.row.check.max": 16,
    }
    images.select("image.*", *targets).write.options(**small_groups).parquet(address)


def read_back(address: str) -> LoadedImages:
    """Open a cache: its files in the order of their names, which is that of their rows.

    Raises:
        InputError: it holds no image, or is not where this process could see it.
    """
    store, root = locate(address)
    try:
        found = store.get_file_info(fs.FileSelector(root))
    except FileNotFoundError:
        way_out = "Give a cacheDir that the driver and all executors see"
        raise InputError("the loaded images in a folder of the driver", root, way_out) from None
    groups, start = list[Group](), 0
    for path in sorted(file.path for file in found if file.path.endswith(".parquet")):
        with parquet.ParquetFile(path, filesystem=store) as file:
            for number in range(file.num_row_groups):
                stop = start + file.metadata.row_group(number).num_rows
                groups.append(Group(path, number, start, stop))
                start = stop
    if not start:
        raise InputError("at least one image that loads", "none", "Check the URIs and imageLoader")
    return LoadedImages(store, tuple(groups))


def loader(load: Callable[[Any], NDArray[Any]], shape: Sequence[int | None]) -> Load:
    """Make a loader that gives what a network of this input shape takes."""

    def loaded(uri: Any) -> NDArray[Any] | None:
        array = load(uri)
        return None if array is None else shaped(array, shape)

    return loaded


def target_column(name: str, kind: DataType) -> Column:
    """Give the targets as arrays of numbers: of vectors (one-hot), arrays, or single numbers."""
    if isinstance(kind, VectorUDT):
        # It refuses nulls.
        return F.when(F.col(name).isNotNull(), vector_to_array(F.col(name), "float32"))
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, NumericType):
        return F.col(name).cast("array<float>")
    if isinstance(kind, NumericType):
        number = F.col(name).cast("float")
        return F.when(number.isNotNull(), F.array(number))
    expected = "labelCol of vectors (one-hot), arrays or numbers"
    way_out = "Index the labels with StringIndexer and OneHotEncoder"
    raise InputError(expected, f"{name} {kind.simpleString()}", way_out)


def _parts(rows: DataFrame) -> int:
    """Say in how many parts to load: said outright, so that Spark does not join small ones."""
    wanted = rows.sparkSession.conf.get("spark.sql.shuffle.partitions", "") or ""
    return int(wanted) if wanted.isdigit() else 200


def _loader(load: Load) -> Callable[[Any], tuple[list[int], bytes] | None]:
    def loaded(uri: Any) -> tuple[list[int], bytes] | None:
        array = load(uri)
        if array is None:
            return None
        return list(array.shape), np.ascontiguousarray(array, np.float32).tobytes()

    return loaded


def _arrays(rows: pa.Table) -> Batch:
    pixels = zip(rows["pixels"], rows["shape"], strict=True)
    images = [
        np.frombuffer(data.as_buffer(), np.float32).reshape(shape.as_py()) for data, shape in pixels
    ]
    if "target" not in rows.column_names:
        return (np.stack(images),)
    return np.stack(images), np.asarray(rows["target"].to_pylist(), np.float32)
