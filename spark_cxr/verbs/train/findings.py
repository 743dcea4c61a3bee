"""One training of several findings: a head for each, over the films whose answer is known."""

from __future__ import annotations

import time
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.decisions import decision_step, folds_to_decide, own_decision_step
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.finding_counts import FindingTally, count_findings, enough_of
from spark_cxr.pipeline.finding_heads import FindingHead, FittedFindings, prepare_findings
from spark_cxr.pipeline.finding_trial import try_out_findings
from spark_cxr.pipeline.heads import settle
from spark_cxr.pipeline.held_out import NO_FOLDS, HeldOut, HeldOutFolds, held_out_findings
from spark_cxr.pipeline.partition import Partition, part_findings
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.pipeline.point_settings import point_settings
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import DecisionStep, FindingResult, FindingsRun, Trial
from spark_cxr.pipeline.tune import FOLD, with_folds
from spark_cxr.report.findings import findings_page
from spark_cxr.schemas import FEATURES, FINDINGS, PATH, TEST_FINDINGS
from spark_cxr.settings import Config
from spark_cxr.verbs.train.card import write_training_card
from spark_cxr.verbs.train.films import featurized_films
from spark_cxr.verbs.train.finding_results import (
    counts_of_findings,
    findings_report,
    headline_of_findings,
    summary_of_findings,
)
from spark_cxr.verbs.train.learning import learning_of_findings


def train_findings(
    head: FindingHead,
    job: tuple[str, tuple[str, ...]],
    spark: SparkSession,
    cfg: Config,
    output: Output,
) -> Outcome:
    """Ingest, featurize, split, fit and test; leave model, figures, predictions and a report.

    Args:
        head: What is fitted for each finding, or answers already.
        job: Its name, and the sections that are its flags.
        spark: The session.
        cfg: With findings.
        output: Where all of it goes.
    """
    given, points = cfg, point_settings(cfg.train)
    cfg, ingested, featurized = featurized_films(spark, cfg, output)
    images = ingested.images
    films = featurized.rows.drop(FEATURES).join(images.select(PATH, FINDINGS), on=PATH, how="inner")
    films = films.where(F.size(FINDINGS) > 0)
    counts = head.known(enough_of(count_findings(films), cfg.train.least_positives))
    points.of([count.finding for count in counts])
    partition = part_findings(films, images, counts, cfg)
    result = _fit(head, featurized, images, partition, cfg, output)
    drawn = are_drawn(partition.rows)
    partition.rows.unpersist()
    done = FindingsRun(*job, given, cfg, drawn, ingested, featurized, result)
    predictions = spark.read.schema(TEST_FINDINGS).parquet(output.table("predictions"))
    figures = counts_of_findings(done)
    output.write_json("metrics.json", figures)
    plan, model = featurized.plan, Output(output.table("model"))
    panels, how = training_panels(predictions, plan, model, cfg.train.explained)
    report = replace(findings_report(done, predictions), panels=panels, heat=how)
    output.write_text("report.html", findings_page(report))
    write_training_card(report, figures, cfg.gate, output)
    page = output.table("report.html")
    return Outcome(headline_of_findings(done), summary_of_findings(done, page))


def _fit(
    head: FindingHead,
    features: FeatureResult,
    images: DataFrame,
    partition: Partition,
    cfg: Config,
    output: Output,
) -> FindingResult:
    started = time.monotonic()
    counts = count_findings(partition.rows.where(~F.col(IS_TEST)))
    trained = head.known(enough_of(counts, cfg.train.least_positives))
    folds = folds_to_decide(partition.rows, cfg.train, cfg.run.seed) if head.learns else NO_FOLDS
    prepared, dim = _prepared(features, partition, cfg, folds).persist(), features.plan.network.dim
    try:
        rows = prepared.where(~F.col(IS_TEST))
        fitted = head.fitted(rows, trained, dim)
        trial = Trial(prepared, partition, images, features, cfg, output)
        settled = head.settled(fitted)
        return try_out_findings(
            head,
            fitted,
            trial,
            trained,
            _left_out(counts, trained),
            started,
            lambda whole: learning_of_findings(settled, trial, trained, whole),
            _decision_step(settled, fitted, rows, trained, folds, dim, cfg),
        )
    finally:
        prepared.unpersist()


def _decision_step(
    settled: FindingHead | None,
    fitted: FittedFindings,
    rows: DataFrame,
    trained: tuple[FindingTally, ...],
    folds: HeldOutFolds,
    dim: int,
    cfg: Config,
) -> DecisionStep:
    """Learn how to decide from training films that the heads have not learned from."""
    names, train, seed = [count.finding for count in trained], cfg.train, cfg.run.seed
    if settled is None:
        return own_decision_step(fitted.model, rows, names, train, seed)

    def held_out() -> HeldOut:
        return held_out_findings(settled, rows, trained, dim, train, seed)

    return decision_step(folds, held_out, names, train, seed)


def _prepared(
    features: FeatureResult, partition: Partition, cfg: Config, held_out: HeldOutFolds
) -> DataFrame:
    """Join sides, truth, and folds, to the vectors, which are read once and shuffled once."""
    sides = partition.rows.select(PATH, IS_TEST, FINDINGS)
    if cfg.train.tune:
        folded = with_folds(partition.rows, cfg.train.split, cfg.train.tune_folds, cfg.run.seed)
        sides = folded.select(PATH, IS_TEST, FINDINGS, FOLD)
    sides = held_out.joined(sides)
    rows = features.rows.join(F.broadcast(sides), on=PATH, how="inner")
    return prepare_findings(settle(rows, features.numbers))


def _left_out(
    counts: tuple[FindingTally, ...], trained: tuple[FindingTally, ...]
) -> tuple[FindingTally, ...]:
    return tuple(count for count in counts if count not in trained)
