"""`KerasImageFileEstimator`: train a user's own Keras network on images that a column names."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from pyspark import keyword_only
from pyspark.ml import Estimator, Transformer
from pyspark.ml.param.shared import HasSeed
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.backbones import keras_model
from spark_cxr.errors import ConfigError
from spark_cxr.output import Output, absolute
from spark_cxr.pipeline.featurizer import one_of, text, type_of_input
from spark_cxr.sparkdl.keras_models import KerasImageFileTransformer
from spark_cxr.sparkdl.keras_network import Loader, cache_network, loading, read_network
from spark_cxr.sparkdl.params import (
    CanLoadImage,
    HasInputCol,
    HasKerasLoss,
    HasKerasModel,
    HasKerasOptimizer,
    HasLabelCol,
    HasOutputCol,
    HasOutputMode,
    Settable,
    loss_of,
)
from spark_cxr.sparkdl.training import (
    Training,
    open_images,
    shaped_loader,
    target_column,
    train,
    write_images,
)
from spark_cxr.training.cache import CachedFilms

IMAGES = "images"
TUNABLE = ("kerasOptimizer", "kerasLoss", "kerasFitParams", "outputCol", "outputMode", "seed")
"""Params that may differ from model to model; all others decide what is loaded."""
NEEDED = ("inputCol", "modelFile", "imageLoader")
DBFS = Path("/dbfs/tmp")
"""How nodes of Databricks see `dbfs:/tmp`, which is there for all of them."""
Models = Iterator[tuple[int, Transformer]]


class KerasImageFileEstimator(
    Estimator,
    Settable,
    HasInputCol,
    HasOutputCol,
    HasLabelCol,
    HasKerasModel,
    HasKerasOptimizer,
    HasKerasLoss,
    CanLoadImage,
    HasOutputMode,
    HasSeed,
):
    """Train a Keras network on images whose URIs stand in a column; gives a transformer.

    `imageLoader` makes the network's input from a URI, on the executors, which write what it makes
    to a Parquet cache. The network learns in the driver's process and reads the cache batch by
    batch: neither the table nor its images are ever collected. `kerasFitParams` go to Keras'
    `Model.fit` (epochs, batch_size, verbose, callbacks, class_weight, validation_split …).

    Labels are one-hot vectors, arrays or numbers, as the loss takes them; labelCol="" trains a
    network that adds its losses itself, without kerasLoss. Equal `seed`, data and parameters give
    equal batches, however the data is partitioned. The cache is removed when the last model is
    trained. It lies in a temporary folder where Spark runs on this machine alone, and in DBFS where
    there is one; on any other cluster `cacheDir` names a folder that all nodes see.

    Images that do not load are left out; handleInvalid="error" fails the fit instead. The trained
    network is the `modelFile` of the transformer that `fit` returns: copy it to keep it.
    """

    cacheDir = text("cacheDir", "folder for loaded images that the driver and all executors see")
    handleInvalid = one_of("handleInvalid", ("skip", "error"), "for images that do not load")

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        outputMode: str = "vector",
        labelCol: str | None = None,
        modelFile: str | None = None,
        imageLoader: Loader | None = None,
        kerasOptimizer: Any = "adam",
        kerasLoss: Any = None,
        kerasFitParams: Mapping[str, Any] | None = None,
        seed: int = 0,
        cacheDir: str = "",
        handleInvalid: str = "skip",
    ) -> None:
        super().__init__()
        self._setDefault(seed=0, cacheDir="", handleInvalid="skip")
        self._set(**self._input_kwargs)

    def fitMultiple(self, dataset: DataFrame, paramMaps: Sequence[Mapping[Any, Any]]) -> Models:
        """Load the images once, and train a network for each map when the caller takes it.

        Networks are trained one after another, so that memory holds one of them.

        Args:
            dataset: Rows with the URIs and labels.
            paramMaps: Of kerasOptimizer, kerasLoss, kerasFitParams, seed and the output's Params.

        Raises:
            ConfigError: a Param is missing, or cannot differ from model to model.
        """
        wanted = [self._with(params) for params in paramMaps]
        for each in wanted:
            each._check(dataset)
        network = str(cache_network(read_network(self.getModelFile())))
        place = Output(_place(dataset.sparkSession, self.getOrDefault(self.cacheDir)))
        try:
            images = self._load(dataset, network, place.table(IMAGES))
        except BaseException:
            place.remove("")
            raise
        trainers = [each._trainer(network, images) for each in wanted]
        return _Models(trainers, lambda: place.remove(""))

    def _fit(self, dataset: DataFrame) -> Transformer:
        return next(iter(self.fitMultiple(dataset, [{}])))[1]

    def _with(self, params: Mapping[Any, Any]) -> KerasImageFileEstimator:
        for param in params:
            if param.name not in TUNABLE:
                expected = f"Params that may differ from model to model: {', '.join(TUNABLE)}"
                raise ConfigError(expected, param.name, "Set it on the estimator")
        return self.copy()._set(**{param.name: value for param, value in params.items()})

    def _check(self, dataset: DataFrame) -> None:
        for name in (*NEEDED, "kerasLoss") if self.getLabelCol() else NEEDED:
            if not self.isDefined(self.getParam(name)):
                raise ConfigError("all Params of the estimator", f"no {name}", f"Set {name}")
        type_of_input(dataset, self.getInputCol())

    def _load(self, dataset: DataFrame, network: str, address: str) -> CachedFilms:
        shape = keras_model.load(network).input_shape[1:]
        label = self.getLabelCol()
        kind = type_of_input(dataset, label) if label else None
        target = None if kind is None else target_column(label, kind)
        load = loading(self.getImageLoader(), self.getOrDefault(self.handleInvalid) == "skip")
        loaded = shaped_loader(load, shape)
        write_images(dataset, self.getInputCol(), target, loaded, address)
        return open_images(address)

    def _trainer(self, network: str, images: CachedFilms) -> Callable[[], Transformer]:
        training = Training(
            network,
            self.getKerasOptimizer(),
            loss_of(self.getKerasLoss()) if self.getLabelCol() else None,
            self.getKerasFitParams(),
            self.getSeed(),
        )

        def trained() -> Transformer:
            transformer: KerasImageFileTransformer = self._copyValues(KerasImageFileTransformer())
            return transformer.setModelFile(str(train(training, images)))

        return trained


class _Models:
    """Trains the next network when it is taken; several threads may do so."""

    def __init__(self, trainers: Sequence[Callable[[], Transformer]], close: Callable[[], None]):
        self._trainers, self._at, self._lock = trainers, 0, Lock()
        self._close = weakref.finalize(self, close)

    def __iter__(self) -> Models:
        return self

    def __next__(self) -> tuple[int, Transformer]:
        with self._lock:
            at, self._at = self._at, self._at + 1
            if at >= len(self._trainers):
                raise StopIteration
            try:
                return at, self._trainers[at]()
            finally:
                if self._at == len(self._trainers):
                    self._close()


def _place(spark: SparkSession, given: str) -> str:
    """Make a name for a new folder that this process and the executors see."""
    if given:
        return f"{absolute(given).rstrip('/')}/spark_cxr-{uuid4().hex}"
    master = spark.conf.get("spark.master", "local") or "local"
    if master.split("[")[0] != "local":
        if DBFS.is_dir():
            return f"dbfs:/tmp/spark_cxr-{uuid4().hex}"
        way_out = "Give cacheDir=, for loaded images while they train"
        raise ConfigError("a folder that all nodes see", f"none, on {master}", way_out)
    return tempfile.mkdtemp(prefix="spark_cxr-")
