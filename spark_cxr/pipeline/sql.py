"""A network or a model as a function of SQL: `SELECT cxr(content) FROM films`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import BadImage, ConfigError
from spark_cxr.model import Model, Prediction
from spark_cxr.pipeline.featurizer import FilmFeaturizer, vectors_of
from spark_cxr.pipeline.networks import make_plan
from spark_cxr.pipeline.scorer import open_scorer, predict_images, prediction_row
from spark_cxr.schemas import SPOKEN, columns

VECTOR = "array<float>"
OF_TABLES = ("inputCol", "outputCol", "errorCol")
"""Params that mean something for a table, and nothing for a function."""


def register_featurizer(
    spark: SparkSession, name: str, *, handleInvalid: str = "keep", **params: Any
) -> None:
    """Register a function of SQL from encoded images, or image structs, to `array<float>`.

    The weights are resolved and the network is built now, on the driver; workers load it once.
    The name holds for this session, classic or Connect.

    Args:
        spark: The session in which the name is to be known.
        name: Of the function, in SQL and in `selectExpr`.
        handleInvalid: What a null or bad image gives: "keep" gives null, "error" fails the query.
            A function cannot drop a row: say WHERE … IS NOT NULL.
        params: Those of `FilmFeaturizer` that say which network it is and how it runs:
            modelName, weights, pooling, engine, precision, batchSize …

    Raises:
        ConfigError: a Param that a function cannot have.
        TypeError: a Param with a wrong name or value.
    """
    for param in set(OF_TABLES) & set(params):
        way_out = f"Leave {param} out: SQL names the columns"
        raise ConfigError("params of a network for a function of SQL", param, way_out)
    stage = FilmFeaturizer(handleInvalid=handleInvalid, **params)
    if handleInvalid == "skip":
        way_out = "Say keep, and WHERE … IS NOT NULL"
        raise ConfigError("handleInvalid keep or error for a function of SQL", "skip", way_out)
    plan = make_plan(spark, *stage.network_settings())
    spark.udf.register(name, sql_function(plan, raise_bad=handleInvalid == "error"))


def sql_function(plan: Plan, raise_bad: bool) -> Callable[..., Any]:
    """Make the function: a column of images in, `array<float>` out, null where an image is bad."""

    @pandas_udf(VECTOR)
    def vectors(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for found in vectors_of(batches, plan, raise_bad):
            kept = [None if isinstance(each, BadImage) else each for each in found]
            yield pd.Series(kept, dtype=object)

    # Else the optimizer copies the call into a filter on its result, and each film is run twice.
    return vectors.asNondeterministic()


def register_scorer(
    spark: SparkSession, name: str, directory: str, *, batch_size: int = 32, device: str = "auto"
) -> None:
    """Register a model as a function of SQL: `SELECT cxr(content).prediction FROM films`.

    The function gives a struct (`schemas.SPOKEN`): prediction, confidence, probabilities, distance,
    flags, and the verdicts of a model that has sets. A null or bad image has `reason` and `detail`,
    and the rest is null or empty; what is no X-ray has its distance and flags only. A film gets the
    answer that `load_model` and the job score give it.

    Args:
        spark: The session in which the name is to be known.
        name: Of the function, in SQL and in `selectExpr`.
        directory: The `model/` of a training.
        batch_size: Films that go through the network at once.
        device: Where the network is to run: auto, cpu or gpu.
    """
    spark.udf.register(name, scoring_function(open_scorer(spark, directory, batch_size, device)))


def scoring_function(scorer: Model) -> Callable[..., Any]:
    """Make the function: a column of encoded images in, a column of `schemas.SPOKEN` out."""

    @pandas_udf(SPOKEN)
    def predictions(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for found in predict_images(batches, scorer):
            rows = [_spoken(each) for each in found]
            # Of type object: in others a null is NaN, which is no text.
            yield pd.DataFrame(rows, columns=columns(SPOKEN), dtype=object)

    return predictions.asNondeterministic()


def _spoken(prediction: Prediction) -> dict[str, Any]:
    if bad := prediction.bad:
        why = {"reason": bad.reason, "detail": bad.detail}
        # Empty, not null: PySpark cannot bring a null map out of pandas.
        empty: dict[str, Any] = {"probabilities": {}, "flags": [], "verdicts": {}}
        return {**dict.fromkeys(columns(SPOKEN)), **empty, **why}
    return {**prediction_row(prediction), "reason": None, "detail": None}
