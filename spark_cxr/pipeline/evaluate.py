"""Predictions → figures: MLlib's evaluator, and our own measures with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics import Metrics, measure
from spark_cxr.pipeline.heads import LABEL_INDEX, PREDICTION_INDEX, PROBABILITY
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.schemas import GROUP, LABEL, PATH, SOURCE, VIEW

EVALUATOR_METRICS = ("accuracy", "f1", "weightedPrecision", "weightedRecall", "logLoss")


def mllib_metrics(scored: DataFrame) -> dict[str, float]:
    """Ask MLlib's own evaluator, one measure after the other."""
    evaluator = MulticlassClassificationEvaluator(
        labelCol=LABEL_INDEX, predictionCol=PREDICTION_INDEX, probabilityCol=PROBABILITY
    )
    return {
        name: evaluator.evaluate(scored, {evaluator.metricName: name}) for name in EVALUATOR_METRICS
    }


@dataclass(frozen=True)
class TestAnswers:
    """Test predictions on the driver: a label, a group and a few numbers for each film."""

    truth: list[str]
    probabilities: NDArray[np.float64]
    groups: list[str]
    """Each named by the first of its films: patients' pseudonyms hang on a key, and what is drawn
    from groups in the order of their names must not."""
    sources: list[str | None]
    views: list[str | None]


def answers_of(predictions: DataFrame, labels: tuple[str, ...]) -> TestAnswers:
    """Bring test predictions (`schemas.TEST_PREDICTIONS`) to the driver, in the order of paths."""
    shares = [F.col("probabilities")[label].alias(f"p{i}") for i, label in enumerate(labels)]
    rows = predictions.select(PATH, LABEL, GROUP, SOURCE, VIEW, *shares).orderBy(PATH).toPandas()
    return TestAnswers(
        list(rows[LABEL]),
        rows[[f"p{i}" for i in range(len(labels))]].to_numpy(),
        list(rows.groupby(GROUP)[PATH].transform("min")),
        list(rows[SOURCE]),
        list(rows[VIEW]),
    )


def measure_predictions(
    predictions: DataFrame, labels: tuple[str, ...], seed: int, resamples: int
) -> Metrics:
    """Measure test predictions, with intervals from resampling groups."""
    got = answers_of(predictions, labels)
    return measure(got.truth, got.probabilities, labels, got.groups, seed=seed, resamples=resamples)


def count_shared(rows: DataFrame) -> int:
    """Count the test images whose patient or twin is in training."""
    trained = rows.where(~F.col(IS_TEST)).select(GROUP).distinct()
    return rows.where(F.col(IS_TEST)).join(trained, on=GROUP, how="left_semi").count()
