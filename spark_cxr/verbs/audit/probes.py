"""One head after another on the same films and split: the real result, and the shortcuts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.heads.portable import read_stages
from spark_cxr.heads.portable.linear import Linear, read_logistic_regression
from spark_cxr.metrics import Metrics
from spark_cxr.output import Output, locate
from spark_cxr.pipeline.evaluate import measure_predictions
from spark_cxr.pipeline.heads import (
    LABEL_INDEX,
    PREDICTION_INDEX,
    PROBABILITY,
    HeadModel,
    HeadRecipe,
    fit,
    predictions_of,
    prepare_rows,
)
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.schemas import FEATURES, LABEL
from spark_cxr.settings import Config
from spark_cxr.verbs.audit.films import FOR_TEST, PLAIN

HEAD = "lr"
"""Linear, so that it finds only what vectors show directly, and quick to fit ten times."""
METADATA = "metadata"
_FORMATS = ("png", "jpeg", "tiff", "bmp", "webp", "dicom")
_SIZES = 8


@dataclass(frozen=True)
class ProbeResult:
    """What a head reached on the test films."""

    metrics: Metrics
    confidence: tuple[float, ...]
    """Of each test film, in no order."""


@dataclass(frozen=True)
class Steadiness:
    """What small changes of the test films do to a head's predictions."""

    films: int
    changed: tuple[tuple[str, float], ...]
    """View → share of predictions that are not what they were."""
    right: tuple[tuple[str, float], ...]
    """View → share of predictions that are right."""


def probe(rows: DataFrame, column: str, labels: tuple[str, ...], cfg: Config) -> ProbeResult:
    """Fit and test the head on one column of vectors."""
    with _model(rows.withColumn(FEATURES, F.col(column)), labels, cfg) as (model, prepared):
        return _tested(model, prepared, labels, cfg)


def probe_real(
    rows: DataFrame, labels: tuple[str, ...], cfg: Config, output: Output
) -> tuple[ProbeResult, Steadiness, Linear]:
    """Fit and test the head on films as they are; then show it the test films a little changed.

    Also gives the head itself, without Spark, to check where its answers come from.
    """
    with _model(rows.withColumn(FEATURES, F.col(PLAIN)), labels, cfg) as (model, prepared):
        answer = _tested(model, prepared, labels, cfg)
        steady = _steadiness(model, rows.where(F.col(IS_TEST)), labels)
        return answer, steady, _portable(model, output)


def _portable(model: HeadModel, output: Output) -> Linear:
    """Read the head from what MLlib saves of it: all its versions have that in common."""
    name = "_step_head"
    model.mllib.write().overwrite().save(output.table(name))
    try:
        return read_logistic_regression(read_stages(*locate(output.table(name))))
    finally:
        output.remove(name)


@contextmanager
def _model(
    rows: DataFrame, labels: tuple[str, ...], cfg: Config
) -> Iterator[tuple[HeadModel, DataFrame]]:
    names = ("path", "sha256", LABEL, "source", "group_id", "view", IS_TEST, FEATURES)
    prepared = prepare_rows(rows.select(*names), labels).persist()
    try:
        model = fit(heads.get(HEAD), prepared.where(~F.col(IS_TEST)), HeadRecipe(cfg.run.seed))
        yield model, prepared
    finally:
        prepared.unpersist()


def _tested(
    model: HeadModel, prepared: DataFrame, labels: tuple[str, ...], cfg: Config
) -> ProbeResult:
    scored = model.transform(prepared.where(F.col(IS_TEST)))
    predictions = predictions_of(scored, labels, HEAD).persist()
    try:
        found = measure_predictions(predictions, labels, cfg.run.seed, cfg.train.resamples)
        confidence = predictions.select("confidence").orderBy("path").toPandas()["confidence"]
        return ProbeResult(found, tuple(confidence.tolist()))
    finally:
        predictions.unpersist()


def _steadiness(model: HeadModel, tested: DataFrame, labels: tuple[str, ...]) -> Steadiness:
    """Let the head predict view after view, in one pass over the films."""
    vectors = [F.col(name).alias(f"in_{name}") for name in (PLAIN, *FOR_TEST)]
    rows = tested.select("path", LABEL, *vectors)
    for name in (PLAIN, *FOR_TEST):
        prepared = prepare_rows(rows.withColumn(FEATURES, F.col(f"in_{name}")), labels)
        scored = model.transform(prepared).withColumnRenamed(PREDICTION_INDEX, f"as_{name}")
        rows = scored.drop(PROBABILITY, FEATURES, f"in_{name}")
    answers = {name: F.col(f"as_{name}") for name in (PLAIN, *FOR_TEST)}
    changed = [F.avg((answers[n] != answers[PLAIN]).cast("double")) for n in FOR_TEST]
    right = [F.avg((answers[n] == F.col(LABEL_INDEX)).cast("double")) for n in FOR_TEST]
    films, *shares = rows.agg(F.count(F.lit(1)), *changed, *right).collect()[0]
    half = len(FOR_TEST)
    return Steadiness(
        films,
        tuple(zip(FOR_TEST, shares[:half], strict=True)),
        tuple(zip(FOR_TEST, shares[half:], strict=True)),
    )


def with_metadata(rows: DataFrame) -> DataFrame:
    """Add `metadata`: what is known of a file without its pixels."""
    width, height = (F.col(name).cast("double") for name in ("width", "height"))
    bytes_ = F.col("bytes").cast("double")
    sizes = rows.groupBy("width", "height").count().orderBy(F.desc("count"), "width", "height")
    usual = [
        (F.col("width") == w) & (F.col("height") == h) for w, h, _ in sizes.limit(_SIZES).collect()
    ]
    claims = (*usual, F.col("is_colour"), *(F.col("format") == name for name in _FORMATS))
    numbers = (
        *(width, height, width / height, F.log(width * height)),
        *(F.log(bytes_ + 1), bytes_ / (width * height), F.col("bits").cast("double")),
    )
    numbers = (*numbers, *(claim.cast("double") for claim in claims))
    values = [F.coalesce(number, F.lit(0.0)) for number in numbers]
    return rows.withColumn(METADATA, F.array(*values).cast("array<float>"))


def way(reached: float, chance: float, real: float) -> float:
    """Say how far a result gets from chance to the real result: 0 to 1, or beyond."""
    return (reached - chance) / (real - chance) if real > chance else math.inf
