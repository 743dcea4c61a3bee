"""Backbones x heads x folds in one run: each head is tested on every film that it has not seen.

Films are split into folds twice, by patient and by image: the difference is what a leak is worth.
Features are computed once for each backbone and kept in memory while its heads are fitted.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.network import Network
from spark_cxr.errors import ConfigError
from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import Metrics, Overlap
from spark_cxr.output import Output
from spark_cxr.pipeline import heads as training
from spark_cxr.pipeline.classes import Classes, choose_classes, read_classes
from spark_cxr.pipeline.evaluate import marked, measure_predictions, mllib_metrics, overlap_of
from spark_cxr.pipeline.features import FeatureResult, featurize_by
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.partition import People, people_of
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.splits import FOLD, can_cross, check_folds, folds, with_values
from spark_cxr.schemas import FEATURES, GROUP, PATH, TEST_PREDICTIONS
from spark_cxr.settings import Config, Features

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entrant:
    """One head on the vectors of one backbone, with folds of one kind."""

    backbone: str
    head: str
    by: str
    """What stays on one side: patient, image, or films with one value of a column."""

    @property
    def name(self) -> str:
        """Name it for a table of its own."""
        by = self.by.replace(":", "-")
        return f"{PurePosixPath(self.backbone).stem}-{self.head}-by-{by}"


@dataclass(frozen=True)
class Result:
    """How an entrant did on the films of all folds together."""

    entrant: Entrant
    metrics: Metrics
    mllib: dict[str, float]
    overlap: Overlap
    fold_accuracies: tuple[float, ...]
    seconds: float
    """Of all its fits together, side by side or not."""


@dataclass(frozen=True)
class _Tested:
    """A network, and which of the films it was trained on."""

    network: Network
    marks: DataFrame | None
    """As `overlap.marked` gives them; kept in memory."""


@dataclass(frozen=True)
class Comparison:
    """All that a comparison has found."""

    asked: Config
    """As the user said it."""
    cfg: Config
    """The same with images of our own where none were named."""
    ingested: IngestResult
    featurized: tuple[tuple[str, FeatureResult], ...]
    classes: Classes
    shared: dict[str, int]
    """By kind of folds: films tested with their patient or a twin in training."""
    results: tuple[Result, ...]
    people: People
    """The patients of the films of these classes."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Give the kinds of folds, that by image last: it is there for what a leak is worth."""
        return tuple(sorted(self.cfg.compare.splits, key=lambda by: by == "image"))

    def find(self, entrant: Entrant) -> Result:
        """Find how one did."""
        return next(result for result in self.results if result.entrant == entrant)

    def ranked(self, by: str) -> list[Result]:
        """Give the results of one kind of folds, the best first."""
        some = [result for result in self.results if result.entrant.by == by]
        return sorted(some, key=lambda result: (-result.metrics.accuracy, result.entrant.name))


def compare(spark: SparkSession, cfg: Config, output: Output) -> Comparison:
    """Ingest once, featurize once a backbone, and fit each head on each fold."""
    chosen = [heads.get(name) for name in cfg.compare.heads]
    check_splits(cfg.compare.splits)
    for head in chosen:
        training.check_recipe(head, _recipe(cfg))
    asked, cfg = cfg, with_phantoms(cfg, output)
    names = cfg.compare.backbones or (cfg.features.backbone,)
    ingested, made = _featurized(spark, cfg, output, names)
    classes = choose_classes(ingested.images, cfg.train.classes)
    results, shared = list[Result](), dict[str, int]()
    for backbone, featurized in made:
        tested = classes.take(featurized.rows)
        marks = marked(ingested.images, tested, featurized.plan.network)
        found = _Tested(featurized.plan.network, marks.persist() if marks else None)
        for by in cfg.compare.splits:
            rows = _prepared(featurized, ingested.images, classes, by, cfg).persist()
            if can_cross(by) and cfg.train.crossing == "error":
                check_folds(rows)
            for head in chosen:
                entrant = Entrant(backbone, head.name, by)
                results.append(_result(entrant, head, rows, found, classes, cfg, output))
                _say(results[-1])
            if by not in shared:
                output.write_table(rows.select(PATH, FOLD), folds_table(by))
            shared[by] = _shared(rows)
            rows.unpersist()
        if marks:
            marks.unpersist()
    people = people_of(classes.take(ingested.images))
    return Comparison(asked, cfg, ingested, tuple(made), classes, shared, tuple(results), people)


def folds_table(by: str) -> str:
    """Name the table that says in which fold a film was tested, for others to do the same."""
    return f"folds/by-{by.replace(':', '-')}"


def check_splits(splits: tuple[str, ...]) -> None:
    """Refuse folds of several kinds that keep films apart."""
    apart = [by for by in splits if by != "image"]
    if len(apart) > 1:
        way_out = "Compare once for each of them"
        raise ConfigError("one kind of folds beside image in --splits", ", ".join(apart), way_out)


def _featurized(
    spark: SparkSession, cfg: Config, output: Output, names: tuple[str, ...]
) -> tuple[IngestResult, list[tuple[str, FeatureResult]]]:
    """Decode each film once, and show it to all networks."""
    places = (Output(output.table(f"backbones/{PurePosixPath(name).stem}")) for name in names[1:])
    networks = [
        (features_of(cfg.features, name), place)
        for name, place in zip(names, (output, *places), strict=True)
    ]
    ingested, made = featurize_by(spark, cfg, networks, read_classes(cfg.train.classes).labels)
    return ingested, list(zip(names, made, strict=True))


def features_of(asked: Features, backbone: str) -> Features:
    """Ask for one of several networks; weights and normalising are for those that take them."""
    if own.is_own(backbone):
        return replace(asked, backbone=backbone, weights="")
    weights = "" if backbone == "fake" else asked.weights
    return replace(asked, backbone=backbone, weights=weights, normalising="")


def _recipe(cfg: Config) -> training.HeadRecipe:
    return training.HeadRecipe(cfg.run.seed, balance=cfg.train.balance)


def _prepared(
    made: FeatureResult, images: DataFrame, classes: Classes, by: str, cfg: Config
) -> DataFrame:
    """Deal the films out; that is found without the vectors and then brought to them."""
    rows = classes.take(made.rows)
    films = with_values(rows.drop(FEATURES), images, by, cfg.ingest)
    dealt = folds(films, by, cfg.compare.folds, cfg.run.seed).select(PATH, FOLD)
    rows = rows.join(F.broadcast(dealt), on=PATH, how="inner")
    return training.prepare_rows(training.settle(rows, made.numbers), classes.names)


def _shared(rows: DataFrame) -> int:
    """Count the films whose group is in several folds: tested with their own kind in training."""
    groups = rows.groupBy(GROUP).agg(F.count_distinct(FOLD).alias("folds"), F.count("*").alias("n"))
    return groups.where(F.col("folds") > 1).agg(F.sum("n")).collect()[0][0] or 0


def _result(
    entrant: Entrant,
    head: heads.Head,
    rows: DataFrame,
    found: _Tested,
    classes: Classes,
    cfg: Config,
    output: Output,
) -> Result:
    started = time.monotonic()
    drop = can_cross(entrant.by) and cfg.train.crossing == "drop"
    scored = _scored(head, rows, cfg, drop)
    seconds = time.monotonic() - started
    scored = scored.persist()
    try:
        named = training.predictions_of(scored, classes.names, entrant.name)
        table = f"predictions/{entrant.name}"
        output.write_table(named, table)
        predictions = rows.sparkSession.read.schema(TEST_PREDICTIONS).parquet(output.table(table))
        return Result(
            entrant,
            measure_predictions(predictions, classes.names, cfg.run.seed, cfg.train.resamples),
            mllib_metrics(scored),
            overlap_of(found.marks, predictions, classes.names, found.network, cfg),
            _accuracies(scored),
            seconds,
        )
    finally:
        scored.unpersist()


def _scored(head: heads.Head, rows: DataFrame, cfg: Config, drop: bool) -> DataFrame:
    """Fit on all folds but one and score that one, for each in turn.

    With `drop` a training is without those films whose group is in the fold that is scored.
    """

    def fold(number: int) -> DataFrame:
        trained, tested = rows.where(F.col(FOLD) != number), rows.where(F.col(FOLD) == number)
        if drop:
            groups = tested.select(GROUP).distinct()
            trained = trained.join(F.broadcast(groups), on=GROUP, how="left_anti")
        return training.fit(head, trained, _recipe(cfg)).transform(tested).drop(FEATURES)

    with ThreadPoolExecutor(cfg.train.parallelism) as threads:
        return reduce(DataFrame.unionByName, threads.map(fold, range(cfg.compare.folds)))


def _accuracies(scored: DataFrame) -> tuple[float, ...]:
    is_right = (F.col(training.LABEL_INDEX) == F.col(training.PREDICTION_INDEX)).cast("double")
    found = scored.groupBy(FOLD).agg(F.avg(is_right).alias("accuracy")).orderBy(FOLD).collect()
    return tuple(row["accuracy"] for row in found)


def _say(result: Result) -> None:
    line = f"compare: {result.entrant.name}, accuracy {result.metrics.accuracy:.3f}"
    LOG.info(f"{line}, {result.seconds:.1f} s")
