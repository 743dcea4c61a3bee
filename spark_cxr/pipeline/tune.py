"""`--tune`: the settings of a head, tried over folds in which no patient is on both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.param import Param, Params
from pyspark.ml.tuning import CrossValidator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Head, Setting
from spark_cxr.pipeline.heads import (
    LABEL_INDEX,
    PREDICTION_INDEX,
    PROBABILITY,
    HeadModel,
    HeadRecipe,
    check_recipe,
    fit,
)
from spark_cxr.pipeline.splits import IS_TEST, folds
from spark_cxr.schemas import PATH

FOLD = "fold"
SURE = 0.001
"""No head is taken to be surer than 99.9 %: the pure leaf of a tree says 100 % of five films, and
one of them wrong would else count like fifty."""


@dataclass(frozen=True)
class Point:
    """One setting that was tried."""

    setting: Setting
    log_loss: float
    """Mean over the folds."""
    spread: float
    """Standard deviation over the folds."""


@dataclass(frozen=True)
class Tuned:
    """What tuning has found."""

    best: Setting
    points: tuple[Point, ...]
    folds: int


class HeadFitter(Estimator):
    """A head as CrossValidator wants it; the setting is its one Param."""

    setting: Param[Any] = Param(Params._dummy(), "setting", "names and values of a grid's point")

    def __init__(self, head: Head, recipe: HeadRecipe) -> None:
        """Keep what stays the same for all points of the grid."""
        super().__init__()
        self.head = head
        self.recipe = recipe

    def _fit(self, dataset: DataFrame) -> HeadModel:
        chosen = self.getOrDefault(self.setting)
        return fit(self.head, dataset, replace(self.recipe, setting=chosen))


def with_folds(films: DataFrame, by: str, k: int, seed: int) -> DataFrame:
    """Add `fold` to the rows that train: by image where they were split so, else by patient."""
    trained = films.where(~F.col(IS_TEST))
    kept = "image" if by == "image" else "patient"
    folded = folds(trained, kept, k, seed).select(PATH, FOLD)
    return films.join(folded, on=PATH, how="left")


def tune(
    head: Head, folded: DataFrame, k: int, recipe: HeadRecipe, parallelism: int
) -> tuple[HeadModel, Tuned]:
    """Try the head's grid on rows with a column `fold`, and fit the best setting on all of them.

    The measure is log loss: it is the one that looks at the probabilities which people will read
    on films, and it tells settings apart that name the same films rightly, one of them far too
    sure of its mistakes. F1 sees neither.

    Args:
        head: Whose grid is tried.
        folded: Prepared rows, kept in memory by the caller, with `fold` from 0 to k - 1.
        k: How many folds.
        recipe: Seed and weights; its setting does not count.
        parallelism: How many fits run at the same time.
    """
    check_recipe(head, recipe)
    fitter = HeadFitter(head, recipe)
    validator = CrossValidator(
        estimator=fitter,
        estimatorParamMaps=[{fitter.setting: point} for point in head.grid],
        evaluator=_log_loss(),
        numFolds=k,
        seed=recipe.seed,
        parallelism=parallelism,
        foldCol=FOLD,
    )
    found = validator.fit(folded)
    points = tuple(map(Point, head.grid, found.avgMetrics, found.stdMetrics))
    best = min(points, key=lambda point: point.log_loss)
    return found.bestModel, Tuned(best.setting, points, k)


def _log_loss() -> MulticlassClassificationEvaluator:
    return MulticlassClassificationEvaluator(
        metricName="logLoss",
        labelCol=LABEL_INDEX,
        predictionCol=PREDICTION_INDEX,
        probabilityCol=PROBABILITY,
        eps=SURE,
    )
