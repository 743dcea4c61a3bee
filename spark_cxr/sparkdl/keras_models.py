"""Users' own Keras networks over columns: of image files, and of arrays of numbers.

Rows that hold nothing, or whose image does not load, get null and do not fail the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.structs import TYPES
from spark_cxr.pipeline.featurizer import type_of_input
from spark_cxr.sparkdl.imageIO import STRUCT, imageArrayToStruct
from spark_cxr.sparkdl.imagenet import VECTOR
from spark_cxr.sparkdl.keras_network import (
    KerasFile,
    Loader,
    load_network,
    loading,
    predict_rows,
    read_network,
)
from spark_cxr.sparkdl.params import (
    CanLoadImage,
    HasInputCol,
    HasKerasModel,
    HasOutputCol,
    HasOutputMode,
    Settable,
)

Prepare = Callable[[Any], NDArray[Any] | None]


class KerasTransformer(
    Transformer,
    Settable,
    HasInputCol,
    HasOutputCol,
    HasKerasModel,
    DefaultParamsReadable,
    DefaultParamsWritable,
):
    """Run a Keras network over a column of arrays of numbers, each an input of the network.

    An array may be nested as deep as the network's input; a vector serves as an array. The output
    is an array that is nested as deep as the network's output: numbers where it is one number.
    """

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
        file = read_network(self.getModelFile())
        numbers = F.col(self.getInputCol())
        if isinstance(type_of_input(dataset, self.getInputCol()), VectorUDT):
            numbers = F.when(numbers.isNotNull(), vector_to_array(numbers, "float32"))
        kind = "float"
        for _ in load_network(file).output_shape[1:]:
            kind = f"array<{kind}>"
        run = _column(file, _numbers, lambda array: array.tolist(), kind)
        return dataset.withColumn(self.getOutputCol(), run(numbers))


class KerasImageFileTransformer(
    Transformer, Settable, HasInputCol, HasOutputCol, CanLoadImage, HasKerasModel, HasOutputMode
):
    """Run a Keras network over images whose URIs stand in a column.

    `imageLoader` makes the network's input from a URI: (height, width, channels), with or without
    a batch of 1 before it. As it is a function, this stage cannot be saved.

    The output is a vector of all numbers that the network gives, or with outputMode="image" an
    image struct of its numbers as they are, which may be below 0 and above 255: the channels stay
    in the network's order.
    """

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
        self._set(**self._input_kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        file, load = read_network(self.getModelFile()), loading(self.getImageLoader())
        output, uri = self.getOutputCol(), F.col(self.getInputCol())
        if self.getOutputMode() == "image":
            _check_image(load_network(file).output_shape)
            rows = dataset.withColumn(output, _image_column(file, load)(uri))
            image = F.col(output)
            return rows.withColumn(output, F.when(image.getField("data").isNotNull(), image))
        run = _column(file, load, lambda array: array.ravel().tolist(), VECTOR)
        rows = dataset.withColumn(output, run(uri))
        values = F.col(output)
        return rows.withColumn(output, F.when(values.isNotNull(), array_to_vector(values)))


def _column(
    file: KerasFile, prepare: Prepare, finish: Callable[[NDArray[Any]], Any], kind: str
) -> Callable[..., Column]:
    @pandas_udf(kind)
    def run(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        model = load_network(file)
        for batch in batches:
            found = predict_rows(model, list(batch), prepare)
            made = [None if array is None else finish(array) for array in found]
            yield pd.Series(made, dtype=object)

    # Else the optimizer copies the call into a filter on its result, and each row is run twice.
    return run.asNondeterministic()


def _image_column(file: KerasFile, prepare: Prepare) -> Callable[..., Column]:
    names = STRUCT.fieldNames()

    @pandas_udf(STRUCT)
    def run(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        model = load_network(file)
        for batch in batches:
            found = predict_rows(model, list(batch), prepare)
            rows = [
                [None] * len(names)
                if array is None
                else [imageArrayToStruct(array.astype(np.float32))[name] for name in names]
                for array in found
            ]
            yield pd.DataFrame(rows, columns=names, dtype=object)

    return run.asNondeterministic()


def _check_image(shape: tuple[int | None, ...]) -> None:
    channels = {kind.channels for kind in TYPES}
    if len(shape) != 4 or shape[3] not in channels:
        expected = "a network that gives images (height, width, 1, 3 or 4 channels)"
        raise ConfigError(expected, str(shape), 'Take outputMode="vector"')


def _numbers(row: Any) -> NDArray[Any] | None:
    """Give an array of any depth: Spark hands nested ones over as arrays of objects."""
    if row is None:
        return None
    array = np.asarray(row)
    if array.dtype != object:
        return array.astype(np.float32)
    parts = [_numbers(part) for part in array]
    good = [part for part in parts if part is not None]
    shapes = {part.shape for part in good}
    if len(shapes) != 1 or len(good) != len(parts):
        raise InputError("nested arrays of equal lengths", str(sorted(shapes)), "Fill them up")
    return np.stack(good)
