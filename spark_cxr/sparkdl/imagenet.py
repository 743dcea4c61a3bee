"""Keras networks over image structs, with or without their classifier for ImageNet's classes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import StructType

from spark_cxr.backbones import cache, catalog, keras_model, weights
from spark_cxr.backbones.cache import cache_dir, locked, to_log, whole
from spark_cxr.backbones.catalog import Backbone, PublishedWeights
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import ImageStruct, struct_pass
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import BadImage
from spark_cxr.images.structs import FIELDS, StructPreparation
from spark_cxr.pipeline.featurizer import raise_first
from spark_cxr.pipeline.networks import on_this_worker
from spark_cxr.settings import Features

Finish = Callable[[Any], Any]
VECTOR = "array<float>"
CLASSES = PublishedWeights(
    "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb",
)
"""What keras.applications.imagenet_utils reads, with the digest that it checks."""


def fields_of(image: str) -> list[Column]:
    """Name the fields that hold the pixels, in the order in which column functions take them."""
    return [F.col(image).getField(name) for name in FIELDS]


def origin_of(image: str, kind: StructType) -> Column:
    """Name the field that says where an image is from, if it has one."""
    return F.col(image).getField("origin") if "origin" in kind.names else F.lit("")


def image_column(
    plan: Plan,
    preparing: StructPreparation,
    raise_bad: bool,
    finish: Finish = lambda vector: vector,
    returns: str = VECTOR,
) -> Callable[..., Column]:
    """Make the column function: origin and pixels in, finished vectors out, null where bad."""

    @pandas_udf(returns)
    def column(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        origins: deque[pd.Series] = deque()

        def parts() -> Iterator[list[ImageStruct]]:
            for origin, *fields in batches:
                origins.append(origin)
                yield list(map(ImageStruct, zip(*fields, strict=True)))

        for found in struct_pass(on_this_worker(plan), preparing).rows(parts()):
            origin = origins.popleft()
            if raise_bad:
                raise_first(found, origin)
            values = [None if isinstance(each, BadImage) else finish(each) for each in found]
            yield pd.Series(values, dtype=object)

    # Else the optimizer copies the call into a filter on its result, and each image is run twice.
    return column.asNondeterministic()


def with_top(wanted: Features) -> Features:
    """Want the same network with its classifier: a Keras file, built once in the cache."""
    row = replace(catalog.get(wanted.backbone), weights=catalog.get(wanted.backbone).top_weights)
    found = weights.resolve(wanted.weights, row, wanted.mirror)
    name = f"{row.name}-top-{hashlib.sha256(found.sha256.encode()).hexdigest()[:16]}.keras"
    target = cache_dir("networks") / name
    with locked(target):
        if not target.is_file():
            _build(row, found, target)
    return replace(wanted, backbone=str(target), weights="", normalising=row.normalising)


def class_names(mirror: str = "") -> list[tuple[str, str]]:
    """Give WordNet's number and a description of each class, from the cache or where Keras has it.

    The file stands beside the weights: in the mirror of an air-gapped site too.
    """
    path, _ = cache.obtain(CLASSES, mirror, to_log)
    index = json.loads(path.read_text(encoding="utf-8"))
    return [tuple(index[str(number)]) for number in range(len(index))]


def top_k(names: list[tuple[str, str]], count: int) -> Callable[[Any], list[dict[str, Any]]]:
    """Make the function from probabilities to the likeliest classes, the likeliest first."""

    def likeliest(probabilities: Any) -> list[dict[str, Any]]:
        order = np.argsort(-np.asarray(probabilities), kind="stable")[:count]
        return [
            {
                "class": names[i][0],
                "description": names[i][1],
                "probability": float(probabilities[i]),
            }
            for i in order
        ]

    return likeliest


def _build(row: Backbone, found: Weights, target: Path) -> None:
    model = getattr(import_keras().applications, row.constructor)(weights=None)
    if found.kind == "random":
        keras_model.draw_weights(model, found.seed)
    else:
        keras_model.load_weights(model, row, found)
    with tempfile.TemporaryDirectory() as folder, whole(target) as half:
        model.save(Path(folder) / target.name)
        shutil.copyfile(Path(folder) / target.name, half)
