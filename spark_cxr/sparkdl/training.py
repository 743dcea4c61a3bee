"""Training of a user's whole network in the driver's process, on images that executors load.

The executors write the images to a Parquet cache, in the order of a hash of what they are: neither
the partitions nor the order of the table decides which rows a batch has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, NumericType

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import InputError
from spark_cxr.sparkdl.keras_network import cache_network, save_network, shaped
from spark_cxr.training.cache import SPREAD, Arrays, CachedFilms, Draw, Read, open_cache

LOADED = "struct<shape: array<int>, pixels: binary>"
GROUP_BYTES = 2**23
"""Of a row group, which is the least that can be read: Spark's own 128 MB would all be held."""
Load = Callable[[Any], NDArray[Any] | None]
BATCH = 32
"""Keras' own default."""
OURS = ("batch_size", "shuffle", "validation_split")
"""What of the arguments of `Model.fit` decides which rows are read when: done here."""


def write_images(
    rows: DataFrame, uri: str, target: Column | None, load: Load, address: str
) -> None:
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


def open_images(address: str) -> CachedFilms:
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


def shaped_loader(load: Load, shape: Sequence[int | None]) -> Load:
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
    # Without a default of ours: Spark would refuse one that is no number.
    wanted = rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or ""
    return int(wanted) if wanted.isdigit() else 200


def _loader(load: Load) -> Callable[[Any], tuple[list[int], bytes] | None]:
    def loaded(uri: Any) -> tuple[list[int], bytes] | None:
        array = load(uri)
        if array is None:
            return None
        return list(array.shape), np.ascontiguousarray(array, np.float32).tobytes()

    return loaded


@dataclass(frozen=True)
class Training:
    """A network's file, and how it is to be trained."""

    file: str
    optimizer: Any
    loss: Any
    fit_params: Mapping[str, Any]
    seed: int


def train(training: Training, images: CachedFilms) -> Path:
    """Train the network, and keep it in the cache of this host under the digest of its file."""
    keras = import_keras()
    keras.utils.set_random_seed(training.seed)
    model = keras_model.load(training.file)
    model.compile(optimizer=_fresh(training.optimizer), loss=training.loss)
    learn, check = draws(training, images.count)
    given = {name: value for name, value in training.fit_params.items() if name not in OURS}
    if check is not None:
        given["validation_data"] = dataset(check, images.read)
    model.fit(dataset(learn, images.read), shuffle=False, **given)
    trained = keras_model.load(training.file)  # without the optimizer's state, thrice as large
    trained.set_weights(model.get_weights())
    return cache_network(save_network(trained))


def draws(training: Training, count: int) -> tuple[Draw, Draw | None]:
    """Say which rows train, and which are kept out for validation: the last, as with Keras."""
    given = training.fit_params
    size, shuffle = given.get("batch_size") or BATCH, bool(given.get("shuffle", True))
    learning = int(count * (1 - given.get("validation_split", 0.0)))
    if not learning:
        raise InputError("rows to train on", f"{count} rows", "Lower validation_split")
    learn = Draw(0, learning, size, shuffle, training.seed)
    check = Draw(learning, count, size, False, training.seed)
    return learn, check if learning < count else None


def dataset(draw: Draw, read: Read) -> Any:
    """Make what Keras takes batches from; only one window of them is in memory."""
    base: Any = import_keras().utils.PyDataset

    class Batches(base):
        def __init__(self) -> None:
            super().__init__()
            self.epoch = 0
            self.held: tuple[tuple[int, int], list[Arrays]] = ((-1, -1), [])

        def __len__(self) -> int:
            return draw.steps

        def __getitem__(self, step: int) -> Arrays:
            where = (self.epoch, step // SPREAD)
            if self.held[0] != where:
                self.held = ((-1, -1), [])  # let go first: else two windows are in memory
                self.held = (where, draw.window(read, *where))
            return self.held[1][step % SPREAD]

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Batches()


def _fresh(optimizer: Any) -> Any:
    """Give an optimizer that has not trained anything yet: Keras lets each serve one network."""
    if isinstance(optimizer, str):
        return optimizer
    return type(optimizer).from_config(optimizer.get_config())
