"""Pipelines that sparkdl saved: their folders name a class of the JVM that is there no more.

Of sparkdl's own stages `DeepImageFeaturizer` alone could be saved, through the JVM; those who made
others writable, in Python, have their Params in the same form. All else in such a folder is
Spark's, which reads what its earlier versions wrote.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.pipeline import PipelineModelReader, PipelineReader, PipelineSharedReadWrite
from pyspark.ml.util import DefaultParamsReader
from pyspark.sql import SparkSession

from spark_cxr.errors import InputError
from spark_cxr.sparkdl import named_image
from spark_cxr.sparkdl.keras_models import KerasTransformer
from spark_cxr.sparkdl.named_image import DeepImageFeaturizer, DeepImagePredictor

JVM_PACKAGE = "com.databricks.sparkdl"
PACKAGES = (f"{JVM_PACKAGE}.", "sparkdl.")
"""How the names of sparkdl's classes began, in the JVM and in Python."""
STAGES: dict[str, Callable[[], Any]] = {
    f"{JVM_PACKAGE}.DeepImageFeaturizer": DeepImageFeaturizer,
    "sparkdl.transformers.named_image.DeepImageFeaturizer": DeepImageFeaturizer,
    "sparkdl.transformers.named_image.DeepImagePredictor": DeepImagePredictor,
    "sparkdl.transformers.keras_tensor.KerasTransformer": KerasTransformer,
}
"""What is read of them, by the names in their metadata."""
AS_TRAINED = {"precision": "f32", "liftGrey": True}
"""What the featurizer did without a word: the rest of a pipeline has learned from such vectors."""
WAYS_OUT = {
    "sparkdl.xgboost.": "Train it anew with xgboost.spark",
    "": "Build the stage anew, and save the new pipeline",
}
"""What to do about other classes, by how their names begin."""
Metadata = dict[str, Any]


def load_pipeline(path: str) -> Pipeline | PipelineModel:
    """Load a folder that `Pipeline.save` or `PipelineModel.save` wrote, with sparkdl's stages.

    Its DeepImageFeaturizer becomes ours, with liftGrey=True and precision="f32": one-channel
    images look to the network as they did when the pipeline was fitted.

    Args:
        path: The folder; of a saved CrossValidatorModel the folder `bestModel` in it.

    Raises:
        InputError: it is no pipeline, or one of its stages cannot be read any more.
    """
    metadata = _metadata(path)
    if not _is_pipeline(metadata):
        way_out = "Give its folder bestModel, where it has one"
        raise InputError("a saved Pipeline or PipelineModel", metadata["class"], way_out)
    stages = [_load_stage(each) for each in _stage_paths(path, metadata)]
    is_fitted = metadata["class"].endswith("Model")
    made = PipelineModel(stages) if is_fitted else Pipeline(stages=stages)
    return made._resetUid(metadata["uid"])


def register() -> None:
    """Let `Pipeline.load`, `PipelineModel.load` and `DeepImageFeaturizer.load` read them, too."""
    sys.modules.setdefault(JVM_PACKAGE, named_image)
    for reader in (PipelineReader, PipelineModelReader):
        if not hasattr(reader.load, "before_sparkdl"):
            reader.load = _with_sparkdl(reader.load)


def _with_sparkdl(load: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def loaded(self: Any, path: str) -> Any:
        return load_pipeline(path) if _has_sparkdl(path) else load(self, path)

    loaded.before_sparkdl = load  # type: ignore[attr-defined]
    return loaded


def _has_sparkdl(path: str) -> bool:
    """Look for stages of sparkdl; PySpark 3.5 hands a folder with Java's names to the JVM whole."""
    try:
        metadata = _metadata(path)
    except AnalysisException:  # nothing there: Spark's own reader says so
        return False
    if metadata["class"].startswith(PACKAGES):
        return True
    return _is_pipeline(metadata) and any(map(_has_sparkdl, _stage_paths(path, metadata)))


def _is_pipeline(metadata: Metadata) -> bool:
    return metadata["class"].endswith((".Pipeline", ".PipelineModel"))


def _load_stage(path: str) -> Any:
    metadata = _metadata(path)
    name = metadata["class"]
    if name in STAGES:
        return _with_params(STAGES[name](), metadata)
    if name.startswith(PACKAGES):
        way_out = next(text for start, text in WAYS_OUT.items() if name.startswith(start))
        raise InputError("a stage that can still be read", f"{name} in {path}", way_out)
    if _is_pipeline(metadata):
        return load_pipeline(path)
    module, _, word = name.replace("org.apache.spark", "pyspark").rpartition(".")
    return getattr(import_module(module), word).load(path)


def _with_params(stage: Any, metadata: Metadata) -> Any:
    known = dict(metadata)
    for part in {"paramMap", "defaultParamMap"} & metadata.keys():  # some Params are no more
        params = metadata[part].items()
        known[part] = {name: value for name, value in params if stage.hasParam(name)}
    DefaultParamsReader.getAndSetParams(stage, known)
    stage._resetUid(metadata["uid"])
    return stage._set(**AS_TRAINED) if isinstance(stage, DeepImageFeaturizer) else stage


def _metadata(path: str) -> Metadata:
    row = SparkSession.active().read.text(f"{path.rstrip('/')}/metadata").first()
    if row is None:
        raise InputError("a folder that Spark ML saved", path, "Give the folder above metadata")
    found: Metadata = json.loads(row[0])
    return found


def _stage_paths(path: str, metadata: Metadata) -> list[str]:
    names, folder = metadata["paramMap"]["stageUids"], f"{path.rstrip('/')}/stages"
    place = PipelineSharedReadWrite.getStagePath
    return [place(uid, index, len(names), folder) for index, uid in enumerate(names)]
