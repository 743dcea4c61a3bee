"""Backbones x heads x folds in one run: each head is tested on every film that it has not seen.

Films are split into folds twice, by patient and by image: the difference is what a leak is worth.
Features are computed once for each backbone and kept in memory while its heads are trained.
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
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.heads import catalog as heads
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline import heads as training
from spark_cxr.pipeline.classes import Classes, choose_classes, read_classes
from spark_cxr.pipeline.evaluate import marked, measure_predictions, mllib_metrics, overlap_of
from spark_cxr.pipeline.features import FeatureResult, featurize_by
from spark_cxr.pipeline.foreign_features import featurized_elsewhere
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.partition import people_of
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.splits import FOLD, can_cross, check_folds, folds, with_values
from spark_cxr.pipeline.vector_table import is_vector_table
from spark_cxr.report.comparison import comparison_page
from spark_cxr.schemas import FEATURES, GROUP, PATH, TEST_PREDICTIONS
from spark_cxr.settings import Config, Features
from spark_cxr.verbs.compare.results import (
    Comparison,
    Entrant,
    Result,
    comparison_report,
    counts_of,
    json_of,
    summary_of,
)

LOG = logging.getLogger(__name__)


def compare_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Compare, and leave comparison.json, report.html and the predictions behind them."""
    done = compare(spark, cfg, output)
    report = comparison_report(spark, done, output)
    output.write_json("comparison.json", json_of(done, report))
    output.write_text("report.html", comparison_page(report))
    return Outcome(counts_of(done, report), summary_of(done, report, output.table("report.html")))


@dataclass(frozen=True)
class _Tested:
    """A network, and which of the films it was trained on."""

    network: Network
    marks: DataFrame | None
    """As `overlap.marked` gives them; kept in memory."""


def compare(spark: SparkSession, cfg: Config, output: Output) -> Comparison:
    """Ingest once, featurize once a backbone, and fit each head on each fold."""
    chosen = [heads.get(name) for name in cfg.compare.heads]
    check_splits(cfg.compare.splits)
    for head in chosen:
        training.check_recipe(head, _recipe(cfg))
    given = cfg
    if is_vector_table(cfg.train.features):
        cfg, ingested, vectors = _with_table(spark, cfg, output)
    else:
        cfg = with_phantoms(cfg, output)
        names = cfg.compare.backbones or (cfg.features.backbone,)
        ingested, vectors = _featurized(spark, cfg, output, names)
    classes = choose_classes(ingested.images, cfg.train.classes)
    # A table of vectors, which comes last, may not have all films: all are compared on its own.
    films = classes.take(vectors[-1][1].rows).drop(FEATURES)
    folds_by = {by: _folds(films, ingested.images, by, cfg, output) for by in cfg.compare.splits}
    results, shared = list[Result](), dict[str, int]()
    for backbone, featurized in vectors:
        network = featurized.plan.network
        marks = marked(ingested.images, classes.take(featurized.rows), network)
        tested = _Tested(network, marks.persist() if marks else None)
        for by in cfg.compare.splits:
            rows = _prepared(featurized, classes, folds_by[by]).persist()
            if can_cross(by) and cfg.train.crossing == "error":
                check_folds(rows)
            for head in chosen:
                entrant = Entrant(backbone, head.name, by)
                result = _result(entrant, head, rows, tested, classes, cfg, output)
                what = f"{entrant.name}, accuracy {result.metrics.accuracy:.3f}"
                LOG.info(f"compare: {what}, {result.seconds:.1f} s")
                results.append(result)
            shared[by] = _shared(rows)
            rows.unpersist()
        if marks:
            marks.unpersist()
    people = people_of(classes.take(ingested.images))
    return Comparison(given, cfg, ingested, tuple(vectors), classes, shared, tuple(results), people)


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
    ingested, vectors = featurize_by(spark, cfg, networks, read_classes(cfg.train.classes).labels)
    return ingested, list(zip(names, vectors, strict=True))


def _with_table(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, IngestResult, list[tuple[str, FeatureResult]]]:
    """Take vectors made elsewhere, beside those of networks where networks are named."""
    named = cfg.features.backbone
    alone = (named,) if named != defaults().features.backbone else ()
    if not (names := cfg.compare.backbones or alone):
        cfg, ingested, made = featurized_elsewhere(spark, cfg, output)
        return cfg, ingested, [(made.plan.network.backbone, made)]
    ingested, vectors = _featurized(spark, cfg, output, names)
    place = Output(output.table("backbones/elsewhere"))
    _, _, made = featurized_elsewhere(spark, cfg, place, ingested)
    name = made.plan.network.backbone
    stems = {PurePosixPath(each).stem for each in names}
    return cfg, ingested, [*vectors, (f"{name}-table" if name in stems else name, made)]


def features_of(settings: Features, backbone: str) -> Features:
    """Set one of several networks; weights and normalising are for those that take them."""
    if own.is_own(backbone):
        return replace(settings, backbone=backbone, weights="")
    weights = "" if backbone == "fake" else settings.weights
    return replace(settings, backbone=backbone, weights=weights, normalising="", card="")


def _recipe(cfg: Config) -> training.HeadRecipe:
    return training.HeadRecipe(cfg.run.seed, balance=cfg.train.balance)


def _folds(films: DataFrame, images: DataFrame, by: str, cfg: Config, output: Output) -> DataFrame:
    """Give each film its fold, once for all networks; the table lets others do the same."""
    valued, table = with_values(films, images, by, cfg.ingest), f"folds/by-{by.replace(':', '-')}"
    rows = folds(valued, by, cfg.compare.folds, cfg.run.seed).select(PATH, FOLD)
    output.write_table(rows, table)
    return films.sparkSession.read.schema(rows.schema).parquet(output.table(table))


def _prepared(features: FeatureResult, classes: Classes, by_path: DataFrame) -> DataFrame:
    """Join the folds to the vectors."""
    rows = classes.take(features.rows).join(F.broadcast(by_path), on=PATH, how="inner")
    return training.prepare_rows(training.settle(rows, features.numbers), classes.names)


def _shared(rows: DataFrame) -> int:
    """Count the films whose group is in several folds: its other films train when they test."""
    groups = rows.groupBy(GROUP).agg(F.count_distinct(FOLD).alias("folds"), F.count("*").alias("n"))
    return groups.where(F.col("folds") > 1).agg(F.sum("n")).collect()[0][0] or 0


def _result(
    entrant: Entrant,
    head: heads.Head,
    rows: DataFrame,
    tested: _Tested,
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
        table = f"predictions/{entrant.name}"
        output.write_table(training.predictions_of(scored, classes.names, entrant.name), table)
        predictions = rows.sparkSession.read.schema(TEST_PREDICTIONS).parquet(output.table(table))
        is_right = F.col(training.LABEL_INDEX) == F.col(training.PREDICTION_INDEX)
        accuracy = F.avg(is_right.cast("double")).alias("accuracy")
        by_fold = scored.groupBy(FOLD).agg(accuracy).orderBy(FOLD)
        return Result(
            entrant,
            measure_predictions(predictions, classes.names, cfg.run.seed, cfg.train.resamples),
            mllib_metrics(scored),
            overlap_of(tested.marks, predictions, classes.names, tested.network, cfg),
            tuple(row["accuracy"] for row in by_fold.collect()),
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
