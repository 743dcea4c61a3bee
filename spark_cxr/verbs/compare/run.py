"""Backbones x heads x folds in one run: each head is tested on every film that it has not seen.

Films are split into folds twice, by patient and by image: the difference is what a leak is worth.
Features are computed once for each backbone and kept in memory while its heads are trained.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.network import Network
from spark_cxr.heads import catalog as heads
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline import heads as training
from spark_cxr.pipeline.classes import Classes, choose_classes
from spark_cxr.pipeline.evaluate import (
    answers_of,
    marked,
    measure_predictions,
    mllib_metrics,
    overlap_of,
)
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.partition import people_of
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.splits import FOLD, can_cross, check_folds
from spark_cxr.report.comparison import comparison_page
from spark_cxr.report.findings_comparison import findings_comparison_page
from spark_cxr.schemas import FEATURES, GROUP, PATH, SOURCE, TEST_PREDICTIONS
from spark_cxr.settings import Config
from spark_cxr.verbs.compare.films import (
    Vectors,
    check_splits,
    compared_films,
    count_shared_in_folds,
    folds_of,
)
from spark_cxr.verbs.compare.finding_results import (
    findings_comparison,
    headline_of_comparison,
    summary_of_comparison,
)
from spark_cxr.verbs.compare.findings import compare_findings
from spark_cxr.verbs.compare.results import (
    Comparison,
    ElsewhereResult,
    Entrant,
    Result,
    comparison_report,
    counts_of,
    json_of,
    summary_of,
)
from spark_cxr.verbs.compare.sources import (
    SourceFolds,
    missing_figure,
    source_folds,
    sources_apart,
    with_splits,
)

LOG = logging.getLogger(__name__)


def compare_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Compare, and leave comparison.json, report.html and the predictions behind them."""
    if cfg.ingest.findings:
        return _compare_findings(spark, cfg, output)
    done = compare(spark, cfg, output)
    stage("writing the report")
    report = comparison_report(spark, done, output)
    output.write_json("comparison.json", json_of(done, report))
    output.write_text("report.html", comparison_page(report))
    return Outcome(counts_of(done, report), summary_of(done, report, output.table("report.html")))


def _compare_findings(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    done = compare_findings(spark, cfg, output)
    report, page = findings_comparison(spark, done), output.table("report.html")
    output.write_json("comparison.json", report.to_json())
    output.write_text("report.html", findings_comparison_page(report))
    summary = summary_of_comparison(done, report, page)
    return Outcome(headline_of_comparison(done, report), summary)


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
    cfg, ingested, vectors = compared_films(spark, cfg, output)
    classes = choose_classes(ingested.images, cfg.train.classes)
    # A table of vectors, which comes last, may not have all films: all are compared on its own.
    films = classes.take(vectors[-1][1].rows).drop(FEATURES)
    sources = sources_apart(films)
    cfg = with_splits(cfg, sources)
    splits = tuple(by for by in cfg.compare.splits if by != SOURCE)
    folds_by = {by: folds_of(films, ingested.images, by, cfg, output) for by in splits}
    by_source = source_folds(films, classes, output) if SOURCE in cfg.compare.splits else None
    results, shared = list[Result](), dict[str, int]()
    for backbone, featurized in vectors:
        network = featurized.plan.network
        marks = marked(ingested.images, classes.take(featurized.rows), network)
        tested = _Tested(network, marks.persist() if marks else None)
        for by in splits:
            rows = _prepared(featurized, classes, folds_by[by]).persist()
            if can_cross(by) and cfg.train.crossing == "error":
                check_folds(rows)
            for head in chosen:
                entrant = Entrant(backbone, head.name, by)
                stage(f"training {entrant.name}")
                result = _result(entrant, head, rows, tested, classes, cfg, output)
                what = f"{entrant.name}, accuracy {result.metrics.accuracy:.3f}"
                LOG.info(f"compare: {what}, {result.seconds:.1f} s")
                results.append(result)
            shared[by] = count_shared_in_folds(rows)
            rows.unpersist()
        if marks:
            marks.unpersist()
    people = people_of(classes.take(ingested.images))
    elsewhere = tuple(_elsewhere(vectors, by_source, chosen, cfg, output)) if by_source else ()
    missing = "" if by_source else missing_figure(sources)
    done = (given, cfg, ingested, tuple(vectors), classes, shared, tuple(results), people)
    return Comparison(*done, by_source, elsewhere, missing)


def _elsewhere(
    vectors: Vectors,
    folds: SourceFolds,
    chosen: Sequence[heads.Head],
    cfg: Config,
    output: Output,
) -> Iterator[ElsewhereResult]:
    """Test each source by heads that have learned from all others.

    Films of a patient or a near-duplicate of a tested one never train, whatever --crossing says.
    """
    names = folds.classes.names
    for backbone, featurized in vectors:
        rows = _prepared(featurized, folds.classes, folds.rows).persist()
        for head in chosen:
            entrant = Entrant(backbone, head.name, SOURCE)
            stage(f"training {entrant.name}")
            scored = _scored(head, rows, cfg, True, len(folds.sources))
            place = f"predictions/{entrant.name}"
            output.write_table(training.predictions_of(scored, names, entrant.name), place)
            table = output.table(place)
            predictions = rows.sparkSession.read.schema(TEST_PREDICTIONS).parquet(table)
            yield ElsewhereResult(entrant, answers_of(predictions, names))
        rows.unpersist()


def _recipe(cfg: Config) -> training.HeadRecipe:
    return training.HeadRecipe(cfg.run.seed, balance=cfg.train.balance)


def _prepared(features: FeatureResult, classes: Classes, by_path: DataFrame) -> DataFrame:
    """Join the folds to the vectors."""
    rows = classes.take(features.rows).join(F.broadcast(by_path), on=PATH, how="inner")
    return training.prepare_rows(training.settle(rows, features.numbers), classes.names)


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


def _scored(
    head: heads.Head, rows: DataFrame, cfg: Config, drop: bool, folds: int = 0
) -> DataFrame:
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
        return reduce(DataFrame.unionByName, threads.map(fold, range(folds or cfg.compare.folds)))
