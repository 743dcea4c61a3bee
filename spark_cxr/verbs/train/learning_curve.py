"""What more films would bring: the same head on parts of the training, tested on the same films."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Head
from spark_cxr.metrics import LearningPoint, Metrics, learning_curve
from spark_cxr.pipeline.evaluate import measure_predictions
from spark_cxr.pipeline.heads import LABEL_INDEX, HeadRecipe, fit, predictions_of
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.schemas import GROUP
from spark_cxr.settings import Train

EIGHTHS = (1, 2, 4)
"""Parts of the training; the whole is measured already."""


def learn(
    head: Head,
    recipe: HeadRecipe,
    prepared: DataFrame,
    labels: tuple[str, ...],
    whole: Metrics,
    settings: Train,
) -> tuple[LearningPoint, ...]:
    """Train on an eighth, a quarter and a half of the groups; what misses a class is left out.

    Args:
        head: What is trained.
        recipe: How, with its setting.
        prepared: Rows that train and rows that test.
        labels: The classes.
        whole: What was measured after training on all of it.
        settings: Resamplings behind each interval, and how many fits run at the same time.
    """
    trained, tested = prepared.where(~F.col(IS_TEST)), prepared.where(F.col(IS_TEST))
    lot = F.pmod(F.xxhash64(F.lit(recipe.seed), GROUP), F.lit(8))

    def part(eighths: int) -> tuple[int, Metrics] | None:
        some = trained.where(lot < eighths)
        n, classes = some.agg(F.count("*"), F.count_distinct(LABEL_INDEX)).collect()[0]
        if classes < len(labels):
            return None
        scored = fit(head, some, recipe).transform(tested)
        predictions = predictions_of(scored, labels, head.name)
        return n, measure_predictions(predictions, labels, recipe.seed, settings.resamples)

    with ThreadPoolExecutor(settings.parallelism) as threads:
        parts = list(threads.map(part, reversed(EIGHTHS)))
    return learning_curve([(trained.count(), whole), *filter(None, parts)])
