"""Params that stages of sparkdl share, each with its getter and setter, under their old names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pyspark.ml.param import Param, Params, shared
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import nearest
from spark_cxr.pipeline.featurizer import one_of
from spark_cxr.sparkdl.imageIO import STRUCT, imageArrayToStruct
from spark_cxr.sparkdl.keras_network import SUFFIXES, Loader, is_keras_file, loading

LOSSES_OF_KERAS_2 = {
    "cosine": "cosine_similarity",
    "cosine_proximity": "cosine_similarity",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
}
"""Names of losses that Keras 3 calls otherwise."""
NOT_OFFERED = ("x", "y", "sample_weight", "steps_per_epoch", "validation_steps")
"""Arguments of `Model.fit` that speak of arrays in memory, or cut epochs short."""


def _path(value: Any) -> str:
    is_named = Path(str(value)).suffix in ("", *SUFFIXES)
    if not isinstance(value, str | Path) or not (is_named or is_keras_file(value)):
        way_out = f"It ends in {', '.join(SUFFIXES)}"
        raise TypeError(f"Expected a Keras file. Received: modelFile={value!r}. {way_out}")
    return str(value)


def _optimizer(value: Any) -> Any:
    return _known_to_keras("kerasOptimizer", value, import_keras().optimizers)


def _loss(value: Any) -> Any:
    _known_to_keras("kerasLoss", loss_of(value), import_keras().losses)
    return value


def loss_of(value: Any) -> Any:
    """Give what Keras 3 takes as this loss."""
    return LOSSES_OF_KERAS_2.get(value, value) if isinstance(value, str) else value


def _known_to_keras(name: str, value: Any, module: Any) -> Any:
    try:
        module.get(value)
    except (ValueError, TypeError):
        way_out = nearest(str(value), [word for word in dir(module) if word.islower()])
        expected = f"Expected {name} that Keras knows. Received: {name}={value!r}."
        raise TypeError(f"{expected} {way_out}") from None
    return value


def _fit_params(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        received = f"kerasFitParams={value!r}"
        raise TypeError(f"Expected a dict. Received: {received}. Say {{'epochs': 5}}.")
    for name in NOT_OFFERED:
        if name in value:
            expected = "Expected arguments of Model.fit that need no arrays in memory."
            raise TypeError(f"{expected} Received: kerasFitParams with {name}. Leave it out.")
    return dict(value)


class Settable(Params):
    """A stage whose Params can be set by name, several at once."""

    def setParams(self, **params: Any) -> Self:
        """Set several parameters by name."""
        return self._set(**params)


class HasInputCol(shared.HasInputCol):
    """`inputCol`."""

    def setInputCol(self, value: str) -> Self:
        """Set the column that is read."""
        return self._set(inputCol=value)


class HasOutputCol(shared.HasOutputCol):
    """`outputCol`."""

    def setOutputCol(self, value: str) -> Self:
        """Set the column that is added."""
        return self._set(outputCol=value)


class HasLabelCol(shared.HasLabelCol):
    """`labelCol`."""

    def setLabelCol(self, value: str) -> Self:
        """Set the column of labels; empty: none."""
        return self._set(labelCol=value)


class HasOutputMode(Params):
    """`outputMode`."""

    outputMode = one_of("outputMode", ("vector", "image"), "form of the output column")

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(outputMode="vector")

    def setOutputMode(self, value: str) -> Self:
        """Set whether the output is vectors or image structs."""
        return self._set(outputMode=value)

    def getOutputMode(self) -> str:
        """Get whether the output is vectors or image structs."""
        return self.getOrDefault(self.outputMode)


class HasKerasModel(Params):
    """`modelFile`, and how the network in it is trained."""

    modelFile = Param(Params._dummy(), "modelFile", "a saved Keras network", typeConverter=_path)
    kerasFitParams = Param(
        Params._dummy(), "kerasFitParams", "arguments of Model.fit", typeConverter=_fit_params
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(kerasFitParams={"verbose": 1})

    def setModelFile(self, value: str) -> Self:
        """Set the file of the network."""
        return self._set(modelFile=value)

    def getModelFile(self) -> str:
        """Get the file of the network."""
        return self.getOrDefault(self.modelFile)

    def setKerasFitParams(self, value: Mapping[str, Any]) -> Self:
        """Set the arguments of Model.fit."""
        return self._set(kerasFitParams=value)

    def getKerasFitParams(self) -> dict[str, Any]:
        """Get the arguments of Model.fit."""
        return self.getOrDefault(self.kerasFitParams)


class HasKerasOptimizer(Params):
    """`kerasOptimizer`."""

    kerasOptimizer = Param(
        Params._dummy(), "kerasOptimizer", "name of a Keras optimizer", typeConverter=_optimizer
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(kerasOptimizer="adam")

    def setKerasOptimizer(self, value: Any) -> Self:
        """Set the optimizer."""
        return self._set(kerasOptimizer=value)

    def getKerasOptimizer(self) -> Any:
        """Get the optimizer."""
        return self.getOrDefault(self.kerasOptimizer)


class HasKerasLoss(Params):
    """`kerasLoss`."""

    kerasLoss = Param(Params._dummy(), "kerasLoss", "name of a Keras loss", typeConverter=_loss)

    def setKerasLoss(self, value: Any) -> Self:
        """Set the loss."""
        return self._set(kerasLoss=value)

    seKerasLoss = setKerasLoss  # what sparkdl called it

    def getKerasLoss(self) -> Any:
        """Get the loss."""
        return self.getOrDefault(self.kerasLoss)


class CanLoadImage(Params):
    """`imageLoader`, a function from a URI to an array, red first, with or without a batch of 1."""

    imageLoader = Param(Params._dummy(), "imageLoader", "function from a URI to an array")

    def setImageLoader(self, value: Loader) -> Self:
        """Set the function that loads an image."""
        return self._set(imageLoader=value)

    def getImageLoader(self) -> Loader:
        """Get the function that loads an image."""
        return self.getOrDefault(self.imageLoader)

    def load_images(self, dataframe: DataFrame, inputCol: str) -> DataFrame:
        """Add the images that a column names, as structs; null where one does not load."""
        load = loading(self.getImageLoader())

        def loaded(uri: str | None) -> Row | None:
            array = load(uri)
            return None if array is None else imageArrayToStruct(array[..., ::-1])

        image = F.udf(loaded, STRUCT, useArrow=False)(F.col(inputCol))
        return dataframe.withColumn(self._loaded_column(), image)

    def _loaded_column(self) -> str:
        return "__sdl_img"

    loadImagesInternal, _loadedImageCol = load_images, _loaded_column
