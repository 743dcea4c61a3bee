"""`import sparkdl` and `ImageSchema.readImages` as they were: one line before an old notebook.

`import spark_cxr.sparkdl.compat` registers the module paths of sparkdl, so that its imports stay as
they are, and gives Spark's `ImageSchema` the reader back that it lost with Spark 3.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from pyspark.ml.image import ImageSchema
from pyspark.sql import DataFrame

from spark_cxr.sparkdl.imageIO import read_images

HERE = "spark_cxr.sparkdl"
FOLDERS = ("image", "transformers", "estimators", "udf", "graph")
"""Packages of sparkdl, whose modules all lie in one folder here."""
MODULES = {
    "image.imageIO": "imageIO",
    "image.image": "imageIO",
    "transformers.named_image": "named_image",
    "transformers.keras_image": "keras_models",
    "transformers.keras_tensor": "keras_models",
    "estimators.keras_image_file_estimator": "keras_estimator",
    "udf.keras_image_model": "keras_models",
}
"""Where what stood in a module of sparkdl stands here."""


def install() -> None:
    """Register sparkdl's module paths in this process, and Spark's former reader of images."""
    package = import_module(HERE)
    for path, name in MODULES.items():
        module = import_module(f"{HERE}.{name}")
        _register(path, module)
        setattr(package, path.rpartition(".")[-1], module)
    # Last, as `sparkdl.image.image` is both a folder's name and a module's.
    for folder in FOLDERS:
        _register(folder, package)
        setattr(package, folder, package)
    sys.modules["sparkdl"] = package
    type(ImageSchema).readImages = _read_images


def _register(path: str, module: ModuleType) -> None:
    # The module keeps its own name, by which functions that use it are sent to the executors.
    sys.modules[f"sparkdl.{path}"] = module


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
