"""Images → vectors as a stage of an MLlib pipeline, with the parts that SQL and sparkdl share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BinaryType, DataType, StructType

from spark_cxr.backbones import catalog, engines
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.catalog import NORMALISINGS
from spark_cxr.backbones.engines.plan import PRECISIONS, Plan
from spark_cxr.backbones.featurize import ImageStruct, Made, struct_pass, vector_pass
from spark_cxr.backbones.keras_model import POOLINGS
from spark_cxr.choices import SEE
from spark_cxr.errors import BadImage, InputError, nearest
from spark_cxr.images.film_pass import Content
from spark_cxr.images.structs import FIELDS, StructPreparation
from spark_cxr.pipeline.networks import make_plan, on_this_worker
from spark_cxr.settings import Features

Batches = Iterator[pd.Series | pd.DataFrame]
"""What Spark hands to a pandas UDF: a frame for a column of structs, else a series."""
VECTORS = "vector array<float>, reason string, detail string"
SAME_NAME = (
    *("weights", "mirror", "normalising", "card", "see"),
    *("engine", "precision", "calibrate", "device"),
)
"""Params that the section [features] calls the same."""
DEFAULTS = {
    "inputCol": "content",
    "outputCol": "features",
    "modelName": catalog.SHIPPED,
    "weights": "",
    "mirror": "",
    "normalising": "",
    "card": "",
    "see": "",
    "networkSize": 0,
    "pooling": "avg",
    "engine": "auto",
    "precision": "auto",
    "calibrate": "",
    "device": "auto",
    "batchSize": 32,
    "handleInvalid": "error",
    "errorCol": "",
}


def one_of(name: str, known: Sequence[str], doc: str) -> Any:
    """Declare a Param that takes one of a few words."""

    def convert(value: Any) -> str:
        if value not in known:
            received, way_out = f"{name}={value!r}", nearest(str(value), known)
            raise TypeError(f"Expected {name} by name. Received: {received}. {way_out}")
        return str(value)

    return Param(Params._dummy(), name, f"{doc} ({', '.join(known)})", typeConverter=convert)


def text(name: str, doc: str) -> Any:
    """Declare a Param that takes any text."""
    return Param(Params._dummy(), name, doc, typeConverter=TypeConverters.toString)


def type_of_input(dataset: DataFrame, column: str) -> DataType:
    """Give the type of the input column, or refuse a table that does not have it."""
    kinds = {field.name: field.dataType for field in dataset.schema.fields}
    if column not in kinds:
        raise InputError("inputCol among the columns", column, nearest(column, list(kinds)))
    return kinds[column]


def is_image_struct(kind: DataType) -> bool:
    """Tell a struct of Spark's image schema, whatever else it may hold, from other types."""
    return isinstance(kind, StructType) and set(FIELDS) <= set(kind.fieldNames())


def check_output(dataset: DataFrame, column: str) -> None:
    """Refuse to write over a column."""
    if column in dataset.columns:
        raise InputError("outputCol that is not there yet", column, "Choose another name")


def vectors_of(batches: Batches, plan: Plan, raise_bad: bool) -> Iterator[list[Made]]:
    """Turn the batches of a column into vectors, one for one and in order.

    Raises:
        BadImage: an image is bad, and `raise_bad` is true.
    """
    for vectors in _vectors(batches, plan):
        if raise_bad:
            raise_first(vectors)
        yield vectors


def raise_first(vectors: list[Made], origins: Iterable[str | None] = repeat(None)) -> None:
    """Raise the first of the bad images, if there is one, with where it came from if known."""
    for each, origin in zip(vectors, origins, strict=False):
        if isinstance(each, BadImage):
            raise BadImage(each.reason, f"{each.detail}, from {origin}") if origin else each


def _vectors(batches: Batches, plan: Plan) -> Iterator[list[Made]]:
    # A SQL function learns only from its first batch whether it gets structs or files.
    first = next(batches, None)
    if first is None:
        return iter(())
    batches, here = chain([first], batches), on_this_worker(plan)
    if isinstance(first, pd.DataFrame):
        columns = (zip(*(each[name] for name in FIELDS), strict=True) for each in batches)
        return struct_pass(here, StructPreparation()).rows(
            list(map(ImageStruct, rows)) for rows in columns
        )
    return vector_pass(here).rows([Content(each or b"") for each in batch] for batch in batches)


def _network(value: Any) -> str:
    if not own.is_own(str(value)) and value not in catalog.names():
        received, way_out = f"modelName={value!r}", nearest(str(value), catalog.names())
        raise TypeError(f"Expected modelName by name. Received: {received}. {way_out}")
    return str(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        received = f"batchSize={value!r}"
        raise TypeError(f"Expected a whole number of 1 or more. Received: {received}. Try 32.")
    return value


class FilmFeaturizer(
    Transformer,
    HasInputCol,
    HasOutputCol,
    DefaultParamsReadable,
    DefaultParamsWritable,
):
    """Turn a column of encoded images (PNG, JPEG, DICOM …) into a column of feature vectors.

    The column may also hold structs of Spark's image schema, as `spark.read.format("image")` and
    sparkdl's `readImages` give them.
    """

    modelName = Param(
        Params._dummy(),
        "modelName",
        f"network that makes the features: {', '.join(catalog.names())}, or a file of yours",
        typeConverter=_network,
    )
    weights = text("weights", "embedded, imagenet, a file or URI, random:SEED; empty: its own")
    mirror = text("mirror", "folder or URL with the official weight files, tried first")
    normalising = one_of("normalising", ("", *NORMALISINGS), "of a FILE.keras")
    card = text("card", "what a file of yours takes: FILE.toml, a card that ships, or KEY = VALUE")
    see = one_of("see", ("", *SEE), "what of a film the network is shown")
    networkSize = Param(
        Params._dummy(), "networkSize", "pixels of a side; 0: its own", TypeConverters.toInt
    )
    pooling = one_of("pooling", POOLINGS, "avg, max, or none: all of the last maps, flattened")
    engine = one_of("engine", ("auto", *engines.names()), "what runs the network")
    precision = one_of("precision", PRECISIONS, "numbers to calculate with")
    calibrate = text("calibrate", "folder of films, or model of int8, for precision int8")
    device = text("device", "auto, cpu or gpu")
    batchSize = Param(
        Params._dummy(), "batchSize", "images at once, at least 1", typeConverter=_count
    )
    handleInvalid = one_of(
        "handleInvalid",
        ("error", "skip", "keep"),
        "for images that do not decode: error, skip (drop the row), keep (null vector)",
    )
    errorCol = text("errorCol", "column for reason and detail of a kept bad image; empty: none")

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str = "content",
        outputCol: str = "features",
        modelName: str = catalog.SHIPPED,
        weights: str = "",
        mirror: str = "",
        normalising: str = "",
        card: str = "",
        see: str = "",
        networkSize: int = 0,
        pooling: str = "avg",
        engine: str = "auto",
        precision: str = "auto",
        calibrate: str = "",
        device: str = "auto",
        batchSize: int = 32,
        handleInvalid: str = "error",
        errorCol: str = "",
    ) -> None:
        super().__init__()
        self._setDefault(**DEFAULTS)
        self._set(**self._input_kwargs)

    def setParams(self, **params: Any) -> FilmFeaturizer:
        """Set several parameters by name."""
        self._set(**params)
        return self

    def network_settings(self) -> tuple[Features, str]:
        """Say which network is wanted, how it is to run, and how its maps become a vector."""
        features = Features(
            table="",
            cache="",
            backbone=self.getOrDefault(self.modelName),
            batch_size=self.getOrDefault(self.batchSize),
            network_size=self.getOrDefault(self.networkSize),
            **{name: self.getOrDefault(self.getParam(name)) for name in SAME_NAME},
        )
        return features, self.getOrDefault(self.pooling)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check(dataset)
        output, errors = self.getOutputCol(), self.getOrDefault(self.errorCol)
        invalid = self.getOrDefault(self.handleInvalid)
        plan = make_plan(dataset.sparkSession, *self.network_settings())
        vectors = vectorizer(plan, raise_bad=invalid == "error")
        rows = dataset.withColumn("_found", vectors(F.col(self.getInputCol())))
        vector = F.col("_found.vector")
        if invalid == "skip":
            rows = rows.where(vector.isNotNull())
        rows = rows.withColumn(output, F.when(vector.isNotNull(), array_to_vector(vector)))
        if errors:
            reason = F.struct(F.col("_found.reason"), F.col("_found.detail"))
            rows = rows.withColumn(errors, F.when(vector.isNull(), reason))
        return rows.drop("_found")

    def _check(self, dataset: DataFrame) -> None:
        column = self.getInputCol()
        kind = type_of_input(dataset, column)
        if not isinstance(kind, BinaryType) and not is_image_struct(kind):
            expected = "inputCol of type binary, or structs of the image schema"
            received = f"{column} {kind.simpleString()}"
            raise InputError(expected, received, "Read files as binaryFile")
        check_output(dataset, self.getOutputCol())


DeepImageFeaturizer = FilmFeaturizer
"""The name in 0.1.0: code that imports it and pipelines that were saved with it go on working."""


def vectorizer(plan: Plan, raise_bad: bool) -> Callable[..., Any]:
    """Make the column function: images in, vector out, the network loaded once a worker."""

    @pandas_udf(VECTORS)
    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for found in vectors_of(batches, plan, raise_bad):
            rows = [
                (None, each.reason, each.detail)
                if isinstance(each, BadImage)
                else (each, None, None)
                for each in found
            ]
            yield pd.DataFrame(rows, columns=["vector", "reason", "detail"])

    # Else the optimizer copies the call into a filter on its result, and each film is run twice.
    return vectors.asNondeterministic()
