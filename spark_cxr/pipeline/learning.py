"""What more films would bring: the same head on parts of the training, tested on the same films."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Head
from spark_cxr.metrics import LearningPoint, Metrics, learning_curve
from spark_cxr.pipeline.evaluate import measure_predictions
from spark_cxr.pipeline.split import IS_TEST
from spark_cxr.pipeline.train import LABEL_INDEX, Recipe, fit, predictions_of
from spark_cxr.schemas import GROUP

EIGHTHS = (1, 2, 4)
"""Parts of the training; the whole is measured already."""


def learn(
    head: Head,
    recipe: Recipe,
    prepared: DataFrame,
    labels: tuple[str, ...],
    whole: Metrics,
    resamples: int,
) -> tuple[LearningPoint, ...]:
    """Train on an eighth, a quarter and a half of the groups; what misses a class is left out.

    Args:
        head: What is trained.
        recipe: How, with its setting.
        prepared: Rows that train and rows that test.
        labels: The classes.
        whole: What was measured after training on all of it.
        resamples: Behind each interval.
    """
    trained, tested = prepared.where(~F.col(IS_TEST)), prepared.where(F.col(IS_TEST))
    lot = F.pmod(F.xxhash64(F.lit(recipe.seed), GROUP), F.lit(8))
    measured = [(trained.count(), whole)]
    for eighths in EIGHTHS:
        some = trained.where(lot < eighths)
        n, classes = some.agg(F.count("*"), F.count_distinct(LABEL_INDEX)).collect()[0]
        if classes == len(labels):
            scored = fit(head, some, recipe).transform(tested)
            predictions = predictions_of(scored, labels, head.name)
            measured.append((n, measure_predictions(predictions, labels, recipe.seed, resamples)))
    return learning_curve(measured)
