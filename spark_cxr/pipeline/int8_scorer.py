"""A model that was trained on vectors of f32 or bf16, asked with vectors of int8."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines.plan import INT8, Plan
from spark_cxr.backbones.quantisation import quantise
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Predictor
from spark_cxr.pipeline.calibration import draw_films
from spark_cxr.pipeline.networks import ship

LOG = logging.getLogger(__name__)
HELD_OUT = 400
"""Films whose answers are compared: of 100, one alone would be the whole percent."""
MOST_CHANGED = 0.01
"""Share of answers that may change."""


def in_int8(spark: SparkSession, model: Model, calibrate: str) -> Model:
    """Give the model with its network in int8, if it allows that and answers as before.

    Raises:
        ConfigError: The model does not allow it, or its network does not run on OpenVINO.
        InputError: Too many answers change.
    """
    manifest, plain = model.manifest, model.plan
    if INT8 not in manifest.allows:
        received = f"{manifest.name}, of {manifest.precision}"
        way_out = "Train in int8, or with --allow-int8; or leave --precision out"
        raise ConfigError("a model that allows int8", received, way_out)
    if manifest.engine != "openvino" or plain.device.startswith("gpu"):
        received, way_out = f"{manifest.engine} on {plain.device}", "Leave --precision out"
        raise ConfigError("OpenVINO on a CPU for int8", received, way_out)
    folder = replace(defaults().ingest, images=(calibrate,))
    films = draw_films(spark, folder, plain.network.fit, HELD_OUT)
    built = quantise(plain.network, films)
    plan = replace(plain, network=built, precision=INT8)
    shown = films.pixels[-films.held_out :]
    changed = changed_share(model.predictor, _vectors(plain, shown), _vectors(plan, shown))
    words = f"{changed:.2%} of the answers on {len(shown)} films"
    if changed > MOST_CHANGED:
        expected = f"at most {MOST_CHANGED:.0%} of the answers changed by int8"
        raise InputError(expected, words, "Leave --precision out, or train in int8")
    LOG.info(f"score: int8 changes {words}")
    ship(spark, built)
    calibration = built.quantisation.calibration if built.quantisation else ""
    known = replace(manifest, precision=INT8, calibration=calibration)
    return Model(known, plan, model.predictor, model.limits)


def changed_share(
    predictor: Predictor, some: NDArray[np.float32], others: NDArray[np.float32]
) -> float:
    """Give the share of films whose label differs; no label is one, too."""
    labels = ([predictor.predict(vector).label for vector in each] for each in (some, others))
    return float(np.mean([one != other for one, other in zip(*labels, strict=True)]))


def _vectors(plan: Plan, films: NDArray[np.uint8]) -> NDArray[np.float32]:
    return engines.load(replace(plan, threads=os.cpu_count() or 1)).features(films)
