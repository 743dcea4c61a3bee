"""What `bench` measures the product against: the usual ways on Spark, and processes without it.

`recipe` is written from the public description of Databricks' reference recipe for featurizing
images, `predict_batch` from the documentation of `predict_batch_udf`. Both get what favours them:
bytes decoded inside the UDF, so that no pixel crosses into the JVM, and one partition a slot: the
recipe builds its model anew for each, and batches that are cut short are traced anew.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from pyspark.cloudpickle import register_pickle_by_value
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import ArrayType, FloatType

from benchmarks.bench.results import Spent
from spark_cxr.backbones import engines, network, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import vector_pass
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import build
from spark_cxr.backbones.network import Network
from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.film_pass import Content
from spark_cxr.images.fingerprint import fingerprint
from spark_cxr.images.prepare import to_network
from spark_cxr.pipeline.worker_files import read_whole
from spark_cxr.schemas import CONTENT, FEATURES, PATH
from spark_cxr.settings import Features

# Workers have spark_cxr but not benchmarks/: what they run of this file travels whole.
register_pickle_by_value(sys.modules[__name__])

VECTOR = "array<float>"
FILES_AT_ONCE = 256


@dataclass(frozen=True)
class KerasNetwork:
    """A network of keras.applications as its users carry it about: a name and its weights."""

    constructor: str
    size_hw: tuple[int, int]
    weights: tuple[NDArray[np.float32], ...]


def recipe(known: KerasNetwork) -> Callable[..., Any]:
    """Make the column function of the recipe: a model a task, `model.predict` an Arrow batch."""

    @pandas_udf(VECTOR)
    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = model_of(known)
        for contents in batches:
            films = np.stack([film_of(content, known) for content in contents])
            yield pd.Series(list(model.predict(films, verbose=0)))

    return vectors


def predict_batch(known: KerasNetwork, batch_size: int) -> Callable[..., Any]:
    """Make the column function of `predict_batch_udf`, which keeps its model in the worker."""

    def load() -> Callable[..., Any]:
        model = model_of(known)

        def predict(contents: Any) -> Any:
            films = np.stack([film_of(content, known) for content in contents])
            return model.predict(films, verbose=0)

        return predict

    udf: Callable[..., Any] = predict_batch_udf(
        load, return_type=ArrayType(FloatType()), batch_size=batch_size
    )
    return udf


def no_network(dim: int) -> Callable[..., Any]:
    """Make the function over Arrow batches that gives each file a vector without looking at it."""

    def vectors(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        numbers = np.random.default_rng(0)
        for batch in batches:
            for path, content in zip(batch[PATH], batch[CONTENT], strict=True):
                if not content.is_valid:
                    read_whole(path.as_py())
            made = np.maximum(numbers.normal(size=(batch.num_rows, dim)), 0).astype(np.float32)
            lists = pa.array(list(made), pa.list_(pa.float32()))
            yield pa.RecordBatch.from_arrays([batch[PATH], lists], names=[PATH, FEATURES])

    return vectors


def model_of(known: KerasNetwork) -> Any:
    """Build the model and give it the weights that came with the closure."""
    keras = import_keras()
    constructor = getattr(keras.applications, known.constructor)
    shape = (*known.size_hw, 3)
    model = constructor(weights=None, include_top=False, pooling="avg", input_shape=shape)
    model.set_weights(list(known.weights))
    return model


def film_of(content: bytes, known: KerasNetwork) -> Any:
    """Decode, resize and normalise one film with Pillow and Keras."""
    height, width = known.size_hw
    with Image.open(BytesIO(content)) as image:
        pixels = image.convert("RGB").resize((width, height))
    return _module_of(known.constructor).preprocess_input(np.asarray(pixels, np.float32))


def _module_of(constructor: str) -> Any:
    """Find the module of keras.applications that has a network beside its preprocess_input."""
    modules = vars(import_keras().applications).values()
    return next(m for m in modules if hasattr(m, "preprocess_input") and hasattr(m, constructor))


# What runs in processes of its own


def prepared(wanted: Features, engine: str) -> Network:
    """Build the file of a network here, so that Keras does not stay in the driver."""
    row = own.find(wanted.backbone, wanted.normalising)
    return network.prepare(row, weights.resolve(wanted.weights, row, wanted.mirror), engine)


def keras_network(wanted: Features) -> KerasNetwork:
    """Read the same weights that the product has, in the order of Keras."""
    row = own.find(wanted.backbone)
    model = build(row, weights.resolve(wanted.weights, row, wanted.mirror))
    return KerasNetwork(row.constructor, row.size_hw, tuple(model.get_weights()))


def one_process(paths: Sequence[str], plan: Plan, target: str) -> None:
    """Turn files into a Parquet file, with our decoding in threads beside either engine."""
    parts = list(_parts(paths, FILES_AT_ONCE))
    files = ([Content(Path(path).read_bytes()) for path in part] for part in parts)
    Path(target).mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("path", pa.string()), ("features", pa.list_(pa.float32()))])
    with pq.ParquetWriter(f"{target}/part-0.parquet", schema) as writer:
        vectors = vector_pass(plan).rows(files)
        for part, some in zip(parts, vectors, strict=True):
            writer.write_table(pa.table([list(part), list(_good(some))], schema))


def _parts(paths: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))


def _good(vectors: Sequence[Any]) -> Iterator[Any]:
    for vector in vectors:
        if isinstance(vector, BadImage):
            raise vector
        yield vector


def alone(paths: Sequence[str], plan: Plan, limits: Limits) -> Spent:
    """Take the time of each step in turn, on one share of the films and all threads."""
    size_hw, engine = plan.network.size_hw, engines.load(plan)
    seconds = [0.0, 0.0, 0.0, 0.0]
    with ThreadPoolExecutor(plan.threads) as threads:
        for part in _parts(paths, plan.batch_size):
            contents = [Path(path).read_bytes() for path in part]
            clock = [time.perf_counter()]
            films = list(threads.map(partial(decode, limits=limits), contents))
            clock.append(time.perf_counter())
            list(threads.map(fingerprint, contents, films))
            clock.append(time.perf_counter())
            shown = list(threads.map(lambda film: to_network(film.pixels, size_hw), films))
            clock.append(time.perf_counter())
            engine.features(np.stack(shown))
            clock.append(time.perf_counter())
            seconds = [
                total + b - a for total, (a, b) in zip(seconds, pairwise(clock), strict=True)
            ]
    return Spent(len(paths), *seconds)
