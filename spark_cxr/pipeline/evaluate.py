"""Predictions → figures: MLlib's evaluator, and our own measures with their intervals."""

from __future__ import annotations

from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics import Metrics, measure
from spark_cxr.pipeline.split import IS_TEST
from spark_cxr.pipeline.train import LABEL_INDEX, PREDICTION_INDEX, PROBABILITY
from spark_cxr.schemas import GROUP, LABEL

EVALUATOR_METRICS = ("accuracy", "f1", "weightedPrecision", "weightedRecall", "logLoss")


def mllib_metrics(scored: DataFrame) -> dict[str, float]:
    """Ask MLlib's own evaluator, one measure after the other."""
    evaluator = MulticlassClassificationEvaluator(
        labelCol=LABEL_INDEX, predictionCol=PREDICTION_INDEX, probabilityCol=PROBABILITY
    )
    return {
        name: evaluator.evaluate(scored, {evaluator.metricName: name}) for name in EVALUATOR_METRICS
    }


def measure_predictions(
    predictions: DataFrame, labels: tuple[str, ...], seed: int, resamples: int
) -> Metrics:
    """Measure test predictions, with intervals from resampling groups.

    What comes to the driver is a label, a group and a few probabilities for each test film.
    """
    shares = [F.col("probabilities")[label].alias(f"p{i}") for i, label in enumerate(labels)]
    rows = predictions.select(LABEL, GROUP, *shares).orderBy("path").toPandas()
    probabilities = rows[[f"p{i}" for i in range(len(labels))]].to_numpy()
    return measure(
        list(rows[LABEL]),
        probabilities,
        labels,
        list(rows[GROUP]),
        seed=seed,
        resamples=resamples,
    )


def count_shared(rows: DataFrame) -> int:
    """Count the test images whose patient or twin is in training."""
    trained = rows.where(~F.col(IS_TEST)).select(GROUP).distinct()
    return rows.where(F.col(IS_TEST)).join(trained, on=GROUP, how="left_semi").count()
