"""`import sparkdl` and `ImageSchema.readImages` as they were: one line before an old notebook.

`import spark_cxr.sparkdl.compat` registers the module paths of sparkdl, so that its imports stay as
they are, and gives back what the cells beside them took from the Spark and Pillow of then.
"""

from __future__ import annotations

import sys
from importlib import import_module

from pyspark.ml import feature
from pyspark.ml.image import ImageSchema
from pyspark.sql import DataFrame

from spark_cxr.sparkdl import saved_pipelines
from spark_cxr.sparkdl.imageIO import read_images
from spark_cxr.sparkdl.keras_network import restore_pillow_names

HERE = "spark_cxr.sparkdl"
MODULES = {
    "image": "",
    "image.image": "",
    "image.imageIO": ".imageIO",
    "estimators": "",
    "estimators.keras_image_file_estimator": ".keras_estimator",
    "graph": "",
    "graph.builder": ".tf_graph",
    "graph.input": ".tf_input",
    "graph.tensorframes_udf": ".tf_graph",
    "graph.utils": ".tf_graph",
    "horovod": ".horovod",
    "horovod.runner_base": ".horovod",
    "horovod.tensorflow": ".horovod",
    "horovod.tensorflow.keras": ".horovod",
    "transformers": "",
    "transformers.keras_image": ".keras_models",
    "transformers.keras_tensor": ".keras_models",
    "transformers.keras_utils": ".tf_graph",
    "transformers.named_image": ".named_image",
    "transformers.tf_image": ".tf_image",
    "transformers.tf_tensor": ".tf_tensor",
    "transformers.utils": ".tf_graph",
    "udf": "",
    "udf.keras_image_model": ".keras_image_udf",
    "xgboost": ".xgboost",
    "xgboost.xgboost": ".xgboost",
}
"""Where what stood in a module of sparkdl stands here. Its packages hold nothing of their own."""


def install() -> None:
    """Register sparkdl's module paths in this process, and give back former names of others.

    Of Spark: `ImageSchema.readImages` and `OneHotEncoderEstimator`. Of Pillow: `Image.ANTIALIAS`.
    Pipelines that sparkdl saved can be loaded then, too.
    """
    # A module keeps its own name, by which functions that use it are sent to the executors.
    sys.modules["sparkdl"] = import_module(HERE)
    for path, place in MODULES.items():
        module = sys.modules[f"sparkdl.{path}"] = import_module(HERE + place)
        parent, _, name = f"sparkdl.{path}".rpartition(".")
        setattr(sys.modules[parent], name, module)
    type(ImageSchema).readImages = _read_images
    feature.OneHotEncoderEstimator = feature.OneHotEncoder
    restore_pillow_names()
    saved_pipelines.register()


def _read_images(
    self: object,
    path: str,
    recursive: bool = False,
    numPartitions: int = -1,
    dropImageFailures: bool = False,
    sampleRatio: float = 1.0,
    seed: int = 0,
) -> DataFrame:
    """Read images as Spark 2.3 and 2.4 did."""
    parts = max(0, numPartitions) or None
    return read_images(
        path, parts, recursive, dropImageFailures, float(sampleRatio), seed, age="1.x"
    )


install()
