"""What more films would bring: the same head trained on parts of the patients, on one test.

The parts are an eighth, a quarter and a half of the groups; one in which there is nothing to learn
a class or a finding from is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Head
from spark_cxr.metrics import LearningPoint, Metrics, learning_curve
from spark_cxr.metrics.finding_records import (
    FindingLearningPoint,
    FindingMetrics,
    finding_learning_curve,
)
from spark_cxr.pipeline.evaluate import measure_predictions
from spark_cxr.pipeline.finding_counts import FindingTally, count_findings
from spark_cxr.pipeline.finding_heads import FindingHead, finding_predictions
from spark_cxr.pipeline.finding_trial import operating_points, predictions_of_findings
from spark_cxr.pipeline.heads import LABEL_INDEX, HeadRecipe, fit, predictions_of
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import Trial
from spark_cxr.schemas import GROUP
from spark_cxr.settings import Train

EIGHTHS = (4, 2, 1)


def lot_of(seed: int) -> Column:
    """Deal groups into eight lots."""
    return F.pmod(F.xxhash64(F.lit(seed), GROUP), F.lit(8))


def learning_of_classes(
    head: Head,
    recipe: HeadRecipe,
    prepared: DataFrame,
    dim: int,
    labels: tuple[str, ...],
    whole: Metrics,
    settings: Train,
) -> tuple[LearningPoint, ...]:
    """Measure a head after training on parts; `whole` was measured after training on all films."""
    if not settings.learning_curve:
        return ()
    train_rows, test_rows = prepared.where(~F.col(IS_TEST)), prepared.where(F.col(IS_TEST))
    lot = lot_of(recipe.seed)

    by_lot = train_rows.groupBy(lot.alias("lot"), LABEL_INDEX).count().collect()

    def measured(eighths: int) -> tuple[int, Metrics] | None:
        counts = Counter[float]()
        for row in by_lot:
            counts[row[LABEL_INDEX]] += row["count"] if row["lot"] < eighths else 0
        counts = +counts
        if len(counts) < len(labels):
            return None
        some = train_rows.where(lot < eighths)
        scored = fit(head, some, recipe, counts, dim).transform(test_rows)
        predictions = predictions_of(scored, labels, head.name)
        found = measure_predictions(predictions, labels, recipe.seed, settings.resamples)
        return counts.total(), found

    with ThreadPoolExecutor(settings.parallelism) as threads:
        parts = list(threads.map(measured, EIGHTHS))
    total = sum(row["count"] for row in by_lot)
    return learning_curve([(total, whole), *filter(None, parts)])


def learning_of_findings(
    head: FindingHead | None, trial: Trial, trained: Sequence[FindingTally], whole: FindingMetrics
) -> tuple[FindingLearningPoint, ...]:
    """Measure heads of findings after training on parts, by their mean AUC.

    Args:
        head: With the settings to train with; None where nothing is learned.
        trial: Prepared rows, and settings.
        trained: The findings, and what all training films say of them.
        whole: What was measured after training on all films.
    """
    seed, settings = trial.cfg.run.seed, trial.cfg.train
    if head is None or not settings.learning_curve:
        return ()
    rows, dim = trial.prepared, trial.features.plan.network.dim
    train_rows, test_rows = rows.where(~F.col(IS_TEST)), rows.where(F.col(IS_TEST))
    points = operating_points(trained, balance=True)  # an AUC does not depend on them
    lot = lot_of(seed)
    by_lot = dict(map(tuple, train_rows.groupBy(lot.alias("lot")).count().collect()))

    def measured(eighths: int) -> tuple[int, FindingMetrics] | None:
        some = train_rows.where(lot < eighths)
        known = [each for each in count_findings(some) if each.finding in points]
        if sum(each.is_enough(1) for each in known) < len(points):
            return None
        scored = head.fitted(some, known, dim).model.transform(test_rows)
        answers = predictions_of_findings(finding_predictions(scored, points, head.name), points)
        films = sum(count for number, count in by_lot.items() if number < eighths)
        return films, answers.measured(seed, settings.resamples, bands=False)

    # One after the other: heads of the findings are fitted side by side.
    parts = filter(None, map(measured, EIGHTHS))
    return finding_learning_curve([(sum(by_lot.values()), whole), *parts])
