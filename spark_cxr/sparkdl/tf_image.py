"""`TFImageTransformer`: a TensorFlow graph over a column of image structs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf

from spark_cxr.errors import BadImage, ConfigError, InputError
from spark_cxr.images.structs import INVALID, array_of
from spark_cxr.pipeline.featurizer import check_output, is_image_struct, one_of, type_of_input
from spark_cxr.pipeline.networks import threads_of
from spark_cxr.sparkdl.imageIO import STRUCT, imageArrayToStruct
from spark_cxr.sparkdl.imagenet import VECTOR, fields_of
from spark_cxr.sparkdl.params import HasInputCol, HasOutputCol, HasOutputMode, Settable
from spark_cxr.sparkdl.tf_graph import IMAGE_INPUT_PLACEHOLDER_NAME, get_tensor, tensor_name
from spark_cxr.sparkdl.tf_run import FrozenGraph, frozen_graph, open_session, output_tensors

CHANNEL_ORDERS = ("BGR", "RGB", "L")
NO_IMAGE = (None,) * len(STRUCT.names)


def _graph(value: Any) -> Any:
    if not hasattr(value, "as_graph_def"):
        received = f"Received: {type(value).__name__}. Give the graph itself, frozen."
        raise TypeError(f"Expected graph: a tf.Graph. {received}")
    return value


def _tensor(name: str, doc: str) -> Any:
    return Param(Params._dummy(), name, f"{doc}: a tensor or its name", typeConverter=tensor_name)


class TFImageTransformer(Transformer, Settable, HasInputCol, HasOutputCol, HasOutputMode):
    """Run a TensorFlow graph over images, given as 32-bit floats with a batch before them.

    `graph` is a `tf.Graph` of TensorFlow 2's `tf.compat.v1`, without variables: see
    `strip_and_freeze_until`. Executors need TensorFlow, too. As a graph is no text, this stage
    cannot be saved.

    channelOrder="BGR" hands over the pixels as the image schema has them, "RGB" the other way
    round; "L" takes images of one channel only. Without it, all is as in sparkdl 0.x, which knew
    no order: the graph gets red first, and images that it makes are taken to have red first.

    Images of one size are run together, up to 32 of them, unless `inputTensor` has a fixed batch
    of 1; sparkdl ran them one by one. outputMode="image" makes structs of 32-bit floats that keep
    their origin. Null images and those that Spark's reader could not decode give null.
    """

    graph = Param(Params._dummy(), "graph", "a tf.Graph without variables", typeConverter=_graph)
    inputTensor = _tensor("inputTensor", "where images go in")
    outputTensor = _tensor("outputTensor", "what is wanted")
    channelOrder = one_of("channelOrder", CHANNEL_ORDERS, "order of the colours in the graph")

    @keyword_only
    def __init__(
        self,
        *,
        channelOrder: str = "RGB",
        inputCol: str | None = None,
        outputCol: str | None = None,
        graph: Any = None,
        inputTensor: Any = f"{IMAGE_INPUT_PLACEHOLDER_NAME}:0",
        outputTensor: Any = None,
        outputMode: str = "vector",
    ) -> None:
        super().__init__()
        self._setDefault(inputTensor=f"{IMAGE_INPUT_PLACEHOLDER_NAME}:0", channelOrder="RGB")
        self._set(**self._input_kwargs)

    def setGraph(self, value: Any) -> TFImageTransformer:
        """Set the graph."""
        return self._set(graph=value)

    def setInputTensor(self, value: Any) -> TFImageTransformer:
        """Set where images go in."""
        return self._set(inputTensor=value)

    def setOutputTensor(self, value: Any) -> TFImageTransformer:
        """Set what is wanted."""
        return self._set(outputTensor=value)

    def setChannelOrder(self, value: str) -> TFImageTransformer:
        """Set the order of the colours in the graph."""
        return self._set(channelOrder=value)

    def getGraph(self) -> Any:
        """Get the graph."""
        return self.getOrDefault(self.graph)

    def getInputTensor(self) -> Any:
        """Get the tensor where images go in."""
        return get_tensor(self.getOrDefault(self.inputTensor), self.getGraph())

    def getOutputTensor(self) -> Any:
        """Get the tensor that is wanted."""
        return get_tensor(self.getOrDefault(self.outputTensor), self.getGraph())

    def getChannelOrder(self) -> str:
        """Get the order of the colours in the graph."""
        return self.getOrDefault(self.channelOrder)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check(dataset)
        ends = [self.getOrDefault(self.inputTensor)], [self.getOrDefault(self.outputTensor)]
        threads = threads_of(dataset.sparkSession)
        frozen = frozen_graph(self.getGraph().as_graph_def(add_shapes=True), *ends, threads)
        output, order, image = self.getOutputCol(), self.getChannelOrder(), self.getInputCol()
        if self.getOutputMode() == "vector":
            rows = dataset.withColumn(output, _vectors(frozen, order)(*fields_of(image)))
            values = F.col(output)
            return rows.withColumn(output, F.when(values.isNotNull(), array_to_vector(values)))
        (tensor,) = output_tensors(frozen)
        if tensor.rank not in (4, None):
            raise _no_images(f"{tensor.name} of {tensor.rank} dimensions")
        origin = F.col(image).getField("origin")
        images = _images(frozen, order, back=not self.isSet(self.channelOrder))
        rows = dataset.withColumn(output, images(*fields_of(image), origin))
        made = F.col(output)
        return rows.withColumn(output, F.when(made.getField("height").isNotNull(), made))

    def _check(self, dataset: DataFrame) -> None:
        for param in (self.graph, self.outputTensor):
            if not self.isDefined(param):
                expected = "graph and outputTensor"
                raise ConfigError(expected, f"no {param.name}", f"Set {param.name}")
        kind = type_of_input(dataset, self.getInputCol())
        if not is_image_struct(kind):
            received = f"{self.getInputCol()} {kind.simpleString()}"
            way_out = "Read with readImages, or spark.read.format('image')"
            raise InputError("inputCol with structs of the image schema", received, way_out)
        check_output(dataset, self.getOutputCol())


def pixels(row: tuple[Any, ...], order: str) -> NDArray[np.float32] | None:
    """Give the pixels of the fields of a struct in a graph's order, None where there are none.

    Raises:
        InputError: the order is that of one channel, and the image has more.
    """
    if row[-1] is None or row[0] != row[0] or row[0] in (None, INVALID):
        return None
    try:
        height, width, channels, mode = (int(number) for number in row[:-1])
        array = array_of(height, width, channels, mode, bytes(row[-1]))
    except BadImage:
        return None
    if order == "L" and channels != 1:
        received, way_out = f"{channels} channels", "Say channelOrder='BGR' or 'RGB'"
        raise InputError("images of one channel for channelOrder='L'", received, way_out)
    if order == "RGB":
        array = turned(array)
    return np.ascontiguousarray(array, np.float32)


def turned(image: NDArray[Any]) -> NDArray[Any]:
    """Make red first of blue first, or the other way round; transparency stays last."""
    channels = image.shape[2]
    return image if channels == 1 else np.ascontiguousarray(image[..., [2, 1, 0, 3][:channels]])


def _outputs(frozen: FrozenGraph, order: str, fields: tuple[pd.Series, ...]) -> Iterator[Any]:
    images = (pixels(row, order) for row in zip(*fields, strict=True))
    rows = [None if image is None else (image,) for image in images]
    for found in open_session(frozen).outputs(rows):
        yield None if found is None else found[0]


def _vectors(frozen: FrozenGraph, order: str) -> Any:
    @pandas_udf(VECTOR)
    def column(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        for fields in batches:
            found = _outputs(frozen, order, fields)
            values = [each if each is None else np.ravel(each).tolist() for each in found]
            yield pd.Series(values, dtype=object)

    return column.asNondeterministic()


def _images(frozen: FrozenGraph, order: str, back: bool) -> Any:
    @pandas_udf(STRUCT)
    def column(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.DataFrame]:
        for *fields, origins in batches:
            found = _outputs(frozen, order, tuple(fields))
            rows = [_struct(*each, back) for each in zip(found, origins, strict=True)]
            yield pd.DataFrame(rows, columns=STRUCT.names, dtype=object)

    return column.asNondeterministic()


def _struct(output: NDArray[Any] | None, origin: str, back: bool) -> tuple[Any, ...]:
    if output is None:
        return NO_IMAGE
    if output.ndim != 3 or output.shape[2] not in (1, 3, 4):
        raise _no_images(f"images of {output.shape}")
    image = (turned(output) if back else output).astype(np.float32)
    made: Row = imageArrayToStruct(image, origin)
    return tuple(made[name] for name in STRUCT.names)


def _no_images(received: str) -> InputError:
    expected = "an output of (batch, height, width, 1, 3 or 4 channels) for outputMode='image'"
    return InputError(expected, received, "Say outputMode='vector'")
