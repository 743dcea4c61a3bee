"""`TFTransformer`: a TensorFlow graph over columns of numbers and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.ml.param import Param, Params
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import ArrayType, DataType

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.featurizer import check_output, type_of_input
from spark_cxr.pipeline.networks import threads_of
from spark_cxr.sparkdl.tf_graph import tensor_name
from spark_cxr.sparkdl.tf_input import TFInputGraph
from spark_cxr.sparkdl.tf_run import (
    FrozenGraph,
    OutputTensor,
    frozen_graph,
    not_by_row,
    open_session,
    output_tensors,
)

SQL_TYPES = {
    "float16": "float",
    "float32": "float",
    "float64": "double",
    "uint8": "int",
    "int8": "int",
    "int32": "int",
    "int64": "bigint",
    "bool": "boolean",
    "string": "binary",
}


def _input_graph(value: Any) -> TFInputGraph:
    if not isinstance(value, TFInputGraph):
        received = f"Received: {type(value).__name__}. Make it by TFInputGraph.fromGraph, …"
        raise TypeError(f"Expected tfInputGraph: a TFInputGraph. {received}")
    return value


def _columns_to_tensors(value: Any) -> list[tuple[str, str]]:
    return sorted((column, tensor_name(tensor)) for column, tensor in _pairs(value))


def _tensors_to_columns(value: Any) -> list[tuple[str, str]]:
    return sorted((tensor_name(tensor), column) for tensor, column in _pairs(value))


def _pairs(value: Any) -> list[tuple[str, str]]:
    pairs = list(value.items() if isinstance(value, Mapping) else value)
    # Any other sequence of two may be a name of two letters.
    are_pairs = all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs)
    if not are_pairs or not all(isinstance(word, str) for pair in pairs for word in pair):
        way_out = "Say {'column': 'input:0'} and {'output:0': 'column'}"
        raise TypeError(f"Expected names of columns and tensors. Received: {value!r}. {way_out}.")
    return pairs


class TFTransformer(Transformer):
    """Run a TensorFlow graph over columns; each of its outputs becomes a column.

    Inputs are columns of numbers, of arrays within arrays, of vectors or of bytes, cast to what
    the graph takes; a null in one of them makes the outputs null. Outputs have the graph's types,
    with one level of arrays for each dimension behind the batch. Rows of one shape are run
    together, 32 at once: sparkdl ran whole partitions, so that a graph may not look from one row
    to another. Executors need TensorFlow, too. As a graph is no text, this stage cannot be saved.
    """

    tfInputGraph = Param(
        Params._dummy(), "tfInputGraph", "a TFInputGraph", typeConverter=_input_graph
    )
    inputMapping = Param(
        Params._dummy(),
        "inputMapping",
        "from columns to tensors",
        typeConverter=_columns_to_tensors,
    )
    outputMapping = Param(
        Params._dummy(),
        "outputMapping",
        "from tensors to columns",
        typeConverter=_tensors_to_columns,
    )
    tfHParams = Param(Params._dummy(), "tfHParams", "of no effect, as ever")

    @keyword_only
    def __init__(
        self,
        *,
        tfInputGraph: TFInputGraph | None = None,
        inputMapping: Mapping[str, str] | None = None,
        outputMapping: Mapping[str, str] | None = None,
        tfHParams: Any = None,
        tfHParms: Any = None,
    ) -> None:
        super().__init__()
        self.setParams(**self._input_kwargs)

    def setParams(self, **params: Any) -> TFTransformer:
        """Set several parameters by name; tfHParms is how sparkdl spelled tfHParams."""
        if "tfHParms" in params:
            params["tfHParams"] = params.pop("tfHParms")
        return self._set(**params)

    def setTFInputGraph(self, value: TFInputGraph) -> TFTransformer:
        """Set the graph."""
        return self._set(tfInputGraph=value)

    def setInputMapping(self, value: Mapping[str, str]) -> TFTransformer:
        """Set which column is fed to which tensor."""
        return self._set(inputMapping=value)

    def setOutputMapping(self, value: Mapping[str, str]) -> TFTransformer:
        """Set which tensor becomes which column."""
        return self._set(outputMapping=value)

    def setTFHParams(self, value: Any) -> TFTransformer:
        """Set what has no effect."""
        return self._set(tfHParams=value)

    def getTFInputGraph(self) -> TFInputGraph:
        """Get the graph."""
        return self.getOrDefault(self.tfInputGraph)

    def getInputMapping(self) -> list[tuple[str, str]]:
        """Get pairs of column and tensor, sorted."""
        return self.getOrDefault(self.inputMapping)

    def getOutputMapping(self) -> list[tuple[str, str]]:
        """Get pairs of tensor and column, sorted."""
        return self.getOrDefault(self.outputMapping)

    def getTFHParams(self) -> Any:
        """Get what has no effect."""
        return self.getOrDefault(self.tfHParams)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check(dataset)
        columns, feeds = zip(*self.getInputMapping(), strict=True)
        fetches, outputs = zip(*self.getOutputMapping(), strict=True)
        threads = threads_of(dataset.sparkSession)
        frozen = frozen_graph(self.getTFInputGraph().graph_def, feeds, fetches, threads)
        inputs = [_input(name, type_of_input(dataset, name)) for name in columns]
        rows = dataset.withColumn("_outputs", _over_columns(frozen)(*inputs))
        for place, name in enumerate(outputs):
            rows = rows.withColumn(name, F.col(f"_outputs._{place}"))
        return rows.drop("_outputs")

    def _check(self, dataset: DataFrame) -> None:
        for param in (self.tfInputGraph, self.inputMapping, self.outputMapping):
            if not self.isDefined(param) or not self.getOrDefault(param):
                expected = "tfInputGraph, inputMapping and outputMapping"
                raise ConfigError(expected, f"no {param.name}", f"Set {param.name}")
        for _, name in self.getOutputMapping():
            check_output(dataset, name)


def _input(name: str, kind: DataType) -> Column:
    """Wrap the column in arrays: Arrow makes NaN of a null among numbers, but keeps null arrays."""
    column = F.col(name)
    if isinstance(kind, ArrayType):
        return F.when(column.isNotNull(), F.array(column))
    values = vector_to_array(column) if isinstance(kind, VectorUDT) else column
    return F.when(column.isNotNull(), F.array(values))


def _over_columns(frozen: FrozenGraph) -> Any:
    tensors = output_tensors(frozen)
    types = [f"_{place} {sql_type(tensor)}" for place, tensor in enumerate(tensors)]

    @pandas_udf(", ".join(types))
    def outputs(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            columns = batch if isinstance(batch, tuple) else (batch,)  # of a single input
            rows = [
                None if any(value is None for value in row) else [value[0] for value in row]
                for row in zip(*columns, strict=True)
            ]
            found = open_session(frozen).outputs(rows)
            made = [
                [None] * len(tensors)
                if each is None
                else [_plain(array, tensor) for array, tensor in zip(each, tensors, strict=True)]
                for each in found
            ]
            names = [f"_{place}" for place in range(len(tensors))]
            yield pd.DataFrame(made, columns=names, dtype=object)

    return outputs.asNondeterministic()


def sql_type(tensor: OutputTensor) -> str:
    """Say which type of Spark an output has; one of unknown rank is flattened.

    Raises:
        InputError: Spark has none, or the output is not one row for each input.
    """
    if tensor.rank == 0:
        raise not_by_row(tensor.name, "a single value")
    if tensor.dtype not in SQL_TYPES:
        way_out = f"Let the graph cast it to one of {', '.join(SQL_TYPES)}"
        raise InputError("an output that Spark has a type for", tensor.dtype, way_out)
    kind = SQL_TYPES[tensor.dtype]
    for _ in range(1 if tensor.rank is None else tensor.rank - 1):
        kind = f"array<{kind}>"
    return kind


def _plain(array: Any, tensor: OutputTensor) -> Any:
    """Make Python's numbers and lists of an output."""
    if isinstance(array, bytes):  # NumPy would cut zeros off their end
        return array
    flat = np.ravel(array) if tensor.rank is None else np.asarray(array)
    return flat.tolist()
