"""`DeepImageFeaturizer` and `DeepImagePredictor` with sparkdl's names, defaults and vectors."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.structs import PILLOW_NEAREST, SCALE_HINTS, StructPreparation
from spark_cxr.pipeline.featurizer import (
    FilmFeaturizer,
    check_output,
    is_image_struct,
    one_of,
    type_of_input,
)
from spark_cxr.pipeline.networks import make_plan
from spark_cxr.settings import Features
from spark_cxr.sparkdl.imagenet import (
    class_names,
    fields_of,
    image_column,
    origin_of,
    top_k,
    with_top,
)
from spark_cxr.sparkdl.params import HasInputCol, HasOutputCol, Settable

MODELS = ("InceptionV3", "Xception", "ResNet50", "VGG16", "VGG19")
POOLED = ("ResNet50",)
"""Keras 2.1 pooled inside of it; the others give all of their last maps."""
DECODED = "array<struct<class: string, description: string, probability: float>>"


class _OfImages(
    Transformer,
    Settable,
    HasInputCol,
    HasOutputCol,
    DefaultParamsReadable,
    DefaultParamsWritable,
):
    """What the two share: their Params, and a column of image structs as their input."""

    modelName = one_of("modelName", MODELS, "network")
    scaleHint = one_of("scaleHint", SCALE_HINTS, "how images are resized")
    liftGrey = Param(
        Params._dummy(),
        "liftGrey",
        "make one-channel images lighter (64 becomes 137), as sparkdl did by mistake",
        typeConverter=TypeConverters.toBoolean,
    )
    weights, mirror = FilmFeaturizer.weights, FilmFeaturizer.mirror
    engine, precision, device = (
        FilmFeaturizer.engine,
        FilmFeaturizer.precision,
        FilmFeaturizer.device,
    )
    batchSize, handleInvalid = FilmFeaturizer.batchSize, FilmFeaturizer.handleInvalid

    def _begin(self, given: dict[str, Any], **defaults: str) -> None:
        self._setDefault(
            scaleHint=SCALE_HINTS[0],
            liftGrey=False,
            weights="imagenet",
            mirror="",
            engine="auto",
            device="auto",
            batchSize=32,
            **defaults,
        )
        self._set(**given)

    def setModelName(self, value: str) -> _OfImages:
        """Set the network."""
        return self._set(modelName=value)

    def getModelName(self) -> str:
        """Get the network."""
        return self.getOrDefault(self.modelName)

    def setScaleHint(self, value: str) -> _OfImages:
        """Set how images are resized."""
        return self._set(scaleHint=value)

    def getScaleHint(self) -> str:
        """Get how images are resized."""
        return self.getOrDefault(self.scaleHint)

    def _features(self) -> Features:
        if not self.isDefined(self.modelName):
            raise ConfigError("modelName by name", "none", f"Known are: {', '.join(MODELS)}")
        name = self.getModelName()
        given = {
            word: self.getOrDefault(self.getParam(word))
            for word in ("weights", "mirror", "engine", "precision", "device")
        }
        batch_size = self.getOrDefault(self.batchSize)
        return Features(
            table="",
            cache="",
            calibrate="",
            backbone=name,
            normalising="",
            card="",
            see="",
            network_size=0,
            batch_size=batch_size,
            **given,
        )

    def _transform(self, dataset: DataFrame) -> DataFrame:
        image, output = self.getInputCol(), self.getOutputCol()
        fields = [origin_of(image, self._check(dataset)), *fields_of(image)]
        rows = dataset.withColumn(output, self._column(dataset.sparkSession, fields))
        rows = rows.withColumn(output, self._typed(F.col(output)))
        if self.getOrDefault(self.handleInvalid) == "skip":
            return rows.where(F.col(output).isNotNull())
        return rows

    def _column(self, spark: SparkSession, fields: list[Column]) -> Column:
        """Run the network on the fields of the structs."""
        raise NotImplementedError

    def _typed(self, values: Column) -> Column:
        """Bring the network's values into the type of the output column."""
        return F.when(values.isNotNull(), array_to_vector(values))

    def _preparing(self) -> StructPreparation:
        return StructPreparation(self.getScaleHint(), self.getOrDefault(self.liftGrey))

    def _raises(self) -> bool:
        return self.getOrDefault(self.handleInvalid) == "error"

    def _check(self, dataset: DataFrame) -> StructType:
        column = self.getInputCol()
        kind = type_of_input(dataset, column)
        if not isinstance(kind, StructType) or not is_image_struct(kind):
            received = f"{column} {kind.simpleString()}"
            way_out = "Read with readImages, or spark.read.format('image')"
            raise InputError("inputCol with structs of the image schema", received, way_out)
        check_output(dataset, self.getOutputCol())
        return kind


class DeepImageFeaturizer(_OfImages):
    """Add the features that a network gives before its classifier, as an MLlib vector.

    Rows without an image, or with one that did not decode, are dropped, so that a classifier can
    follow; handleInvalid="keep" keeps them with a null vector, "error" fails the job and names the
    file. Networks run in bf16 where the processor has it; precision="f32" gives the numbers of
    Keras, and liftGrey=True the grey levels that sparkdl's networks saw.
    """

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        modelName: str | None = None,
        scaleHint: str = "SCALE_AREA_AVERAGING",
        weights: str = "imagenet",
        mirror: str = "",
        engine: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        batchSize: int = 32,
        handleInvalid: str = "skip",
        liftGrey: bool = False,
    ) -> None:
        super().__init__()
        self._begin(self._input_kwargs, precision="auto", handleInvalid="skip")

    def _column(self, spark: SparkSession, fields: list[Column]) -> Column:
        features = self._features()
        plan = make_plan(spark, features, "avg" if features.backbone in POOLED else "none")
        vectors = image_column(plan, self._preparing(), self._raises())
        return vectors(*fields)


class DeepImagePredictor(_OfImages):
    """Add what a network says of the 1,000 classes of ImageNet.

    The probabilities as an MLlib vector, or with decodePredictions the topK likeliest as an array
    of (class, description, probability); null where there is no image. Images are resized as
    `DeepImageFeaturizer` resizes them; scaleHint="PILLOW_NEAREST" takes the nearest pixels, as
    sparkdl's predictor did.
    """

    scaleHint = one_of("scaleHint", (*SCALE_HINTS, PILLOW_NEAREST), "how images are resized")
    decodePredictions = Param(
        Params._dummy(),
        "decodePredictions",
        "give (class, description, probability) instead of a vector",
        typeConverter=TypeConverters.toBoolean,
    )
    topK = Param(
        Params._dummy(), "topK", "how many classes, decoded", typeConverter=TypeConverters.toInt
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        modelName: str | None = None,
        decodePredictions: bool = False,
        topK: int = 5,
        scaleHint: str = "SCALE_AREA_AVERAGING",
        weights: str = "imagenet",
        mirror: str = "",
        engine: str = "auto",
        precision: str = "f32",
        device: str = "auto",
        batchSize: int = 32,
        handleInvalid: str = "keep",
        liftGrey: bool = False,
    ) -> None:
        super().__init__()
        self._setDefault(decodePredictions=False, topK=5)
        self._begin(self._input_kwargs, precision="f32", handleInvalid="keep")

    def _column(self, spark: SparkSession, fields: list[Column]) -> Column:
        wanted = self._features()
        plan = make_plan(spark, with_top(wanted))
        if not self.getOrDefault(self.decodePredictions):
            return image_column(plan, self._preparing(), self._raises())(*fields)
        finish = top_k(class_names(wanted.mirror), self.getOrDefault(self.topK))
        return image_column(plan, self._preparing(), self._raises(), finish, DECODED)(*fields)

    def _typed(self, values: Column) -> Column:
        return values if self.getOrDefault(self.decodePredictions) else super()._typed(values)
