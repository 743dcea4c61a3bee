"""Loaded images in a Parquet cache: written by the executors.

The rows lie in the order of a hash of what they are, so that neither the partitions nor the order
of the table they come from decide which rows a batch has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NumericType

from spark_cxr.errors import InputError
from spark_cxr.sparkdl.keras_file import shaped
from spark_cxr.training.cache import CachedFilms, open_cache

LOADED = "struct<shape: array<int>, pixels: binary>"
GROUP_BYTES = 2**23
"""Of a row group, which is the least that can be read: Spark's own 128 MB would all be held."""
Load = Callable[[Any], NDArray[Any] | None]


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


def read_back(address: str) -> CachedFilms:
    """Open a cache: its files in the order of their names, which is that of their rows.

    Raises:
        InputError: it holds no image, or is not where this process could see it.
    """
    try:
        images = open_cache(address)
    except FileNotFoundError:
        way_out = "Give a cacheDir that the driver and all executors see"
        raise InputError("the loaded images in a folder of the driver", address, way_out) from None
    if not images.count:
        raise InputError("at least one image that loads", "none", "Check the URIs and imageLoader")
    return images


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
