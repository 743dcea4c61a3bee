"""Feature vectors → a fitted head and its predictions on films that it has not seen."""

from __future__ import annotations

from typing import Any

from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.heads.catalog import Head
from spark_cxr.schemas import FEATURES, LABEL, TEST_PREDICTIONS, columns
from spark_cxr.settings import nearest

LABEL_INDEX = "label_index"
PREDICTION_INDEX = "prediction_index"
PROBABILITY = "probability"


def choose_labels(images: DataFrame, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Give the labels to tell apart, in alphabetical order: those asked for, or all."""
    found = [
        r[LABEL] for r in images.select(LABEL).where(F.col(LABEL).isNotNull()).distinct().collect()
    ]
    for name in classes:
        if name not in found:
            raise InputError("--classes among the labels", name, nearest(name, sorted(found)))
    labels = tuple(sorted(classes or found))
    if len(labels) < 2:
        received = ", ".join(labels) or "no label"
        way_out = "Give a folder for each class, or --labels FILE.csv"
        raise InputError("at least two classes of images", received, way_out)
    return labels


def prepare_rows(rows: DataFrame, labels: tuple[str, ...]) -> DataFrame:
    """Bring feature rows into the form that MLlib's heads take."""
    numbers = F.create_map(*(F.lit(x) for i, label in enumerate(labels) for x in (label, float(i))))
    return rows.withColumns(
        {FEATURES: array_to_vector(F.col(FEATURES)), LABEL_INDEX: numbers[F.col(LABEL)]}
    )


def fit(head: Head, train_rows: DataFrame) -> Any:
    """Fit a head on prepared rows."""
    estimator = head.build().setLabelCol(LABEL_INDEX).setPredictionCol(PREDICTION_INDEX)
    return estimator.setFeaturesCol(FEATURES).setProbabilityCol(PROBABILITY).fit(train_rows)


def predictions_of(scored: DataFrame, labels: tuple[str, ...], model: str) -> DataFrame:
    """Word what a head has answered: one row a film (`schemas.TEST_PREDICTIONS`)."""
    shares = vector_to_array(F.col(PROBABILITY))
    return scored.withColumns(
        {
            "prediction": F.element_at(_array(labels), F.col(PREDICTION_INDEX).cast("int") + 1),
            "confidence": F.array_max(shares),
            "probabilities": F.map_from_arrays(_array(labels), shares),
            "model": F.lit(model),
            "scored_at": F.current_timestamp(),
        }
    ).select(*columns(TEST_PREDICTIONS))


def _array(labels: tuple[str, ...]) -> Column:
    return F.array(*(F.lit(label) for label in labels))
