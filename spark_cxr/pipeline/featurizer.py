"""Images → vectors as a stage of an MLlib pipeline, on today's Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import BinaryType

from spark_cxr.backbones import catalog, engines
from spark_cxr.backbones.featurize import FeatureRecipe, featurize
from spark_cxr.errors import BadImage, InputError
from spark_cxr.settings import nearest

VECTORS = "vector array<float>, reason string, detail string"
HANDLE_INVALID = ("error", "skip", "keep")


class DeepImageFeaturizer(
    Transformer,
    HasInputCol,
    HasOutputCol,
    DefaultParamsReadable,
    DefaultParamsWritable,
):
    """Turn a column of encoded images (PNG, JPEG, DICOM …) into a column of feature vectors."""

    @staticmethod
    def _one_of(name: str, known: tuple[str, ...]) -> Callable[[Any], str]:
        def convert(value: Any) -> str:
            if value not in known:
                received, way_out = f"{name}={value!r}", nearest(str(value), known)
                raise TypeError(f"Expected {name} by name. Received: {received}. {way_out}")
            return str(value)

        return convert

    @staticmethod
    def _count(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            received = f"batchSize={value!r}"
            raise TypeError(f"Expected a whole number of 1 or more. Received: {received}. Try 32.")
        return value

    modelName = Param(
        Params._dummy(),
        "modelName",
        f"network that makes the features: {', '.join(catalog.names())}",
        typeConverter=_one_of("modelName", catalog.names()),
    )
    engine = Param(
        Params._dummy(),
        "engine",
        f"what runs the network: auto, {', '.join(engines.names())}",
        typeConverter=_one_of("engine", ("auto", *engines.names())),
    )
    batchSize = Param(
        Params._dummy(), "batchSize", "images at once, at least 1", typeConverter=_count
    )
    handleInvalid = Param(
        Params._dummy(),
        "handleInvalid",
        "for images that do not decode: error, skip (drop the row), keep (null vector)",
        typeConverter=_one_of("handleInvalid", HANDLE_INVALID),
    )
    errorCol = Param(
        Params._dummy(),
        "errorCol",
        "column for the reason and detail of a kept bad image; empty: none",
        typeConverter=str,
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str = "content",
        outputCol: str = "features",
        modelName: str = "fake",
        engine: str = "auto",
        batchSize: int = 32,
        handleInvalid: str = "error",
        errorCol: str = "",
    ) -> None:
        super().__init__()
        self._setDefault(
            inputCol="content",
            outputCol="features",
            modelName="fake",
            engine="auto",
            batchSize=32,
            handleInvalid="error",
            errorCol="",
        )
        self._set(**self._input_kwargs)

    def setParams(self, **params: Any) -> DeepImageFeaturizer:
        """Set several parameters by name."""
        self._set(**params)
        return self

    def recipe(self) -> FeatureRecipe:
        """Say what decides the vectors, with `auto` resolved."""
        backbone = self.getOrDefault(self.modelName)
        engine = engines.choose(self.getOrDefault(self.engine), backbone)
        return FeatureRecipe(backbone, engine, self.getOrDefault(self.batchSize))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check(dataset)
        output, errors = self.getOutputCol(), self.getOrDefault(self.errorCol)
        invalid = self.getOrDefault(self.handleInvalid)
        vectors = vectorizer(self.recipe(), raise_bad=invalid == "error")
        made = dataset.withColumn("_made", vectors(F.col(self.getInputCol())))
        vector = F.col("_made.vector")
        if invalid == "skip":
            made = made.where(vector.isNotNull())
        made = made.withColumn(output, F.when(vector.isNotNull(), array_to_vector(vector)))
        if errors:
            reason = F.struct(F.col("_made.reason"), F.col("_made.detail"))
            made = made.withColumn(errors, F.when(vector.isNull(), reason))
        return made.drop("_made")

    def _check(self, dataset: DataFrame) -> None:
        column = self.getInputCol()
        kinds = {field.name: field.dataType for field in dataset.schema.fields}
        if column not in kinds:
            way_out = nearest(column, list(kinds))
            raise InputError("inputCol among the columns", column, way_out)
        if not isinstance(kinds[column], BinaryType):
            received = f"{column} {kinds[column].simpleString()}"
            raise InputError("inputCol of type binary", received, "Read files as binaryFile")
        if self.getOutputCol() in kinds:
            received = self.getOutputCol()
            raise InputError("outputCol that is not there yet", received, "Choose another name")


def vectorizer(recipe: FeatureRecipe, raise_bad: bool) -> Callable[..., Any]:
    """Make the column function: bytes in, vector out, the network loaded once a worker."""

    @pandas_udf(VECTORS)
    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for contents in batches:
            made = featurize(list(contents), recipe)
            for each in made:
                if raise_bad and isinstance(each, BadImage):
                    raise each
            yield pd.DataFrame(
                [_row(each) for each in made], columns=["vector", "reason", "detail"]
            )

    return vectors


def _row(made: Any) -> tuple[Any, str | None, str | None]:
    return (None, made.reason, made.detail) if isinstance(made, BadImage) else (made, None, None)
