"""Users' own Keras networks over columns: image files, arrays of numbers, and SQL.

A network's file travels with the column function; each worker loads it once and runs it in batches.
Rows that hold nothing, or whose image does not load, get null and do not fail the job.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.errors import BadImage, ConfigError, InputError, WeightsError
from spark_cxr.images.structs import FIELDS, StructPreparation, to_film
from spark_cxr.sparkdl.imageIO import imageStructToPIL
from spark_cxr.sparkdl.imagenet import VECTOR

BATCH = 32
SUFFIXES = (".keras", ".h5", ".hdf5")
Loader = Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class KerasFile:
    """A saved network by its content, of use on every host."""

    name: str
    content: bytes = field(repr=False)


def read_network(path: str) -> KerasFile:
    """Read a saved network on the driver.

    Raises:
        WeightsError: there is no such file.
    """
    file = Path(path)
    if not file.is_file() or file.suffix not in SUFFIXES:
        way_out = f"Save the whole network with model.save(), as {', '.join(SUFFIXES)}"
        raise WeightsError("a file with a Keras network", path, way_out)
    content = file.read_bytes()
    suffix = ".h5" if file.suffix == ".hdf5" else file.suffix
    return KerasFile(f"{hashlib.sha256(content).hexdigest()}{suffix}", content)


def save_network(model: Any) -> KerasFile:
    """Take a network that is in the driver's memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return read_network(str(path))


def load_network(file: KerasFile) -> Any:
    """Load the network, once for each Python worker."""
    return _loaded(str(cache_network(file)))


def cache_network(file: KerasFile) -> Path:
    """Put the network into this host's cache, under a name that is its digest."""
    target = cache_dir("networks") / file.name
    with locked(target):
        if not target.is_file() or digest(target) != target.stem:
            with whole(target) as half:
                half.write_bytes(file.content)
    return target


def input_size(model: Any) -> tuple[int, int]:
    """Say what height and width the network takes."""
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ConfigError("a network with one input of fixed size", str(shape), "Fix its Input")
    return int(shape[1]), int(shape[2])


def predict_rows(
    model: Any, rows: Sequence[Any], prepare: Callable[[Any], NDArray[Any] | None]
) -> Iterator[list[float] | None]:
    """Run prepared rows in batches; what cannot be prepared keeps its place as None."""
    shape = model.input_shape[1:]
    for start in range(0, len(rows), BATCH):
        arrays = [prepare(row) for row in rows[start : start + BATCH]]
        good = [shaped(array, shape) for array in arrays if array is not None]
        found = iter(np.asarray(model.predict_on_batch(np.stack(good))) if good else ())
        yield from (None if a is None else next(found).ravel().tolist() for a in arrays)


def shaped(array: NDArray[Any], shape: Sequence[int | None]) -> NDArray[np.float32]:
    """Take off a batch of 1, and check that the network takes what is left.

    Raises:
        InputError: it does not.
    """
    numbers = np.asarray(array, np.float32)
    if numbers.ndim == len(shape) + 1 and len(numbers) == 1:
        numbers = numbers[0]
    fits = [want in (None, have) for want, have in zip(shape, numbers.shape, strict=False)]
    if numbers.ndim != len(shape) or not all(fits):
        raise InputError(
            f"rows of shape {tuple(shape)} for the network", str(numbers.shape), "Reshape them"
        )
    return numbers


@lru_cache(maxsize=3)
def _loaded(path: str) -> Any:
    return keras_model.load(path)


def _path(value: Any) -> str:
    if not str(value).endswith(SUFFIXES):
        way_out = f"It ends in {', '.join(SUFFIXES)}"
        raise TypeError(f"Expected a Keras file. Received: modelFile={value!r}. {way_out}")
    return str(value)


class _OfKerasFile(Transformer, HasInputCol, HasOutputCol):
    """What transformers with a user's own network share."""

    modelFile = Param(Params._dummy(), "modelFile", "a saved Keras network", typeConverter=_path)

    def setParams(self, **params: Any) -> _OfKerasFile:
        """Set several parameters by name."""
        return self._set(**params)

    def setModelFile(self, value: str) -> _OfKerasFile:
        """Set the file of the network."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """Get the file of the network."""
        return self.getOrDefault(self.modelFile)


class KerasTransformer(_OfKerasFile, DefaultParamsReadable, DefaultParamsWritable):
    """Run a Keras network over a column of arrays of numbers, each an input of the network."""

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        modelFile: str | None = None,
    ) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        run = _over_series(read_network(self.getModelFile()), _numbers)
        return dataset.withColumn(self.getOutputCol(), run(F.col(self.getInputCol())))


class KerasImageFileTransformer(_OfKerasFile):
    """Run a Keras network over images whose URIs stand in a column.

    `imageLoader` makes the network's input from a URI: (height, width, channels), with or without
    a batch of 1 before it. As it is a function, this stage cannot be saved.
    """

    imageLoader = Param(Params._dummy(), "imageLoader", "function from a URI to an array")
    outputMode = Param(
        Params._dummy(), "outputMode", "vector", typeConverter=TypeConverters.toString
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        modelFile: str | None = None,
        imageLoader: Loader | None = None,
        outputMode: str = "vector",
    ) -> None:
        super().__init__()
        self._setDefault(outputMode="vector")
        self._set(**self._input_kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        if (mode := self.getOrDefault(self.outputMode)) != "vector":
            raise ConfigError("outputMode vector", mode, "Images out are not offered any more")
        load = loading(self.getOrDefault(self.imageLoader))
        run = _over_series(read_network(self.getModelFile()), load)
        values = run(F.col(self.getInputCol()))
        return dataset.withColumn(
            self.getOutputCol(), F.when(values.isNotNull(), array_to_vector(values))
        )


def register_keras_image_udf(
    udf_name: str, keras_model_or_file_path: Any, preprocessor: Loader | None = None
) -> None:
    """Register a Keras network as a SQL function from an image struct to an array of numbers.

    Args:
        udf_name: Its name in SQL, in the active session.
        keras_model_or_file_path: A network, or the file of one.
        preprocessor: Makes the network's input from the path of an image file: each image is
            written to one, as sparkdl did. Without it the network gets the pixels, red first,
            0 to 255, resized to its input.
    """
    given = keras_model_or_file_path
    is_path = isinstance(given, str | Path)
    file = read_network(str(given)) if is_path else save_network(given)
    SparkSession.active().udf.register(udf_name, _over_images(file, preprocessor))


registerKerasImageUDF = register_keras_image_udf


def _over_series(file: KerasFile, prepare: Callable[[Any], NDArray[Any] | None]) -> Any:
    @pandas_udf(VECTOR)
    def run(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = load_network(file)
        for batch in batches:
            yield pd.Series(list(predict_rows(model, list(batch), prepare)), dtype=object)

    return run


def _over_images(file: KerasFile, preprocessor: Loader | None) -> Any:
    @pandas_udf(VECTOR)
    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        model = load_network(file)
        size_hw = input_size(model)

        def prepare(row: tuple[Any, ...]) -> NDArray[Any] | None:
            try:
                if preprocessor is None:
                    return to_film(row, size_hw, StructPreparation())
                return _by_file(row, preprocessor)
            except BadImage:
                return None

        for images in batches:
            rows = list(zip(*(images[name] for name in FIELDS), strict=True))
            yield pd.Series(list(predict_rows(model, rows, prepare)), dtype=object)

    return run


def _by_file(row: tuple[Any, ...], preprocessor: Loader) -> NDArray[Any]:
    to_film(row, (1, 1), StructPreparation())  # refuses what holds no image
    height, width, channels, mode = (int(number) for number in row[:-1])
    struct = Row(height=height, width=width, nChannels=channels, mode=mode, data=row[-1])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "image.png")
        imageStructToPIL(struct).save(path)
        return preprocessor(path)


def _numbers(row: Any) -> NDArray[Any] | None:
    return None if row is None else np.asarray(row, np.float32)


def loading(loader: Loader) -> Callable[[Any], NDArray[Any] | None]:
    """Make a loader that gives None where a file is missing or holds no image."""

    def load(uri: str | None) -> NDArray[Any] | None:
        try:
            return None if uri is None else loader(uri)
        except (OSError, BadImage):
            return None

    return load
