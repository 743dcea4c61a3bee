"""One training from folders to report: what jobs/train*.py do, head by head."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.heads.catalog import Head
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.classes import choose_classes
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.decisions import decision_step, folds_to_decide
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.finding_heads import FindingFitter
from spark_cxr.pipeline.heads import (
    HeadModel,
    HeadRecipe,
    check_recipe,
    fit,
    prepare_rows,
    settle,
)
from spark_cxr.pipeline.held_out import HeldOut, HeldOutFolds, held_out_classes
from spark_cxr.pipeline.model_directory import try_out
from spark_cxr.pipeline.own_answers import OWN, own_head
from spark_cxr.pipeline.partition import Partition, part
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.pipeline.point_settings import point_settings
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import TrainingResult, TrainingRun, Trial
from spark_cxr.pipeline.tune import FOLD, Tuned, tune, with_folds
from spark_cxr.report.training import training_page
from spark_cxr.schemas import FEATURES, PATH, TEST_PREDICTIONS
from spark_cxr.settings import FLAGS_OF, Config, Train
from spark_cxr.verbs.train.card import write_training_card
from spark_cxr.verbs.train.films import featurized_films
from spark_cxr.verbs.train.findings import train_findings
from spark_cxr.verbs.train.learning import learning_of_classes
from spark_cxr.verbs.train.results import counts_of, headline_of, summary_of, training_report

SECTIONS = FLAGS_OF["train"]
OWN_JOB = ("lr", "rf", "dt")
"""Heads with a job of their own; `train --head NAME` fits them all."""


def train_head(name: str, spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, featurize, split, fit, evaluate; leave model, figures, predictions and a report."""
    if name == OWN:
        own, features = own_head(cfg.features)
        return train_findings(own, job_of(name), spark, replace(cfg, features=features), output)
    given, head, points = cfg, heads.get(name), point_settings(cfg.train)
    check_recipe(head, _recipe(cfg))
    if cfg.ingest.findings:
        return train_findings(_fitter(head, cfg), job_of(name), spark, cfg, output)
    cfg, ingested, featurized = featurized_films(spark, cfg, output)
    stage("dividing films into training and test")
    classes = choose_classes(ingested.images, cfg.train.classes)
    labels, wanted = classes.names, classes.take(featurized.rows)
    points.of(labels)  # names one that there is not, before anything is fitted
    featurized = replace(featurized, rows=wanted)
    partition = part(wanted.drop(FEATURES), ingested.images, labels, cfg)
    result = _fit(head, featurized, ingested.images, partition, cfg, output)
    partition.rows.unpersist()
    job, sections = job_of(name)
    drawn = are_drawn(wanted)
    done = TrainingRun(job, sections, given, cfg, drawn, ingested, featurized, result)
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    figures = counts_of(done)
    output.write_json("metrics.json", figures)
    model = Output(output.table("model"))
    stage("explaining test films")
    panels, how = training_panels(predictions, featurized.plan, model, cfg.train.explained)
    stage("writing the report")
    report = replace(training_report(done, predictions, model), panels=panels, heat=how)
    output.write_text("report.html", training_page(report))
    write_training_card(report, figures, cfg.gate, output)
    return Outcome(headline_of(done), summary_of(done, output.table("report.html")))


def job_of(head: str) -> tuple[str, tuple[str, ...]]:
    """Name the job that fits a head, and the sections that are its flags."""
    return (f"train_{head}", SECTIONS) if head in OWN_JOB else ("train", (*SECTIONS, "any_head"))


def _fitter(head: Head, cfg: Config) -> FindingFitter:
    train = cfg.train
    folds = train.tune_folds if train.tune else 0
    return FindingFitter(head, _recipe(cfg), train.parallelism, folds)


def _recipe(cfg: Config) -> HeadRecipe:
    return HeadRecipe(cfg.run.seed, balance=cfg.train.balance)


def _fit(
    head: Head,
    features: FeatureResult,
    images: DataFrame,
    partition: Partition,
    cfg: Config,
    output: Output,
) -> TrainingResult:
    started = time.monotonic()
    folds = folds_to_decide(partition.rows, cfg.train, cfg.run.seed)
    prepared, recipe = _prepared(features, partition, cfg, folds).persist(), _recipe(cfg)
    try:
        dim, trained = features.plan.network.dim, prepared.where(~F.col(IS_TEST))
        stage(f"training {head.title}")
        model, tuned = _trained(head, recipe, trained, _counts_of(partition), dim, cfg.train)
        best = replace(recipe, setting=tuned.best if tuned else ())

        def held_out() -> HeldOut:
            return held_out_classes(head, trained, best, len(partition.labels), dim, cfg.train)

        return try_out(
            head,
            model,
            Trial(prepared, partition, images, features, cfg, output),
            started,
            tuned.best if tuned else head.default,
            tuned,
            lambda whole: learning_of_classes(
                head, best, prepared, dim, partition.labels, whole, cfg.train
            ),
            decision_step(folds, held_out, partition.labels, cfg.train, cfg.run.seed),
        )
    finally:
        prepared.unpersist()


def _prepared(
    features: FeatureResult, partition: Partition, cfg: Config, held_out: HeldOutFolds
) -> DataFrame:
    """Join sides, and folds, to the vectors, which are read once and shuffled once."""
    sides = partition.rows.select(PATH, IS_TEST)
    if cfg.train.tune:
        folded = with_folds(partition.rows, cfg.train.split, cfg.train.tune_folds, cfg.run.seed)
        sides = folded.select(PATH, IS_TEST, FOLD)
    sides = held_out.joined(sides)
    rows = features.rows.join(F.broadcast(sides), on=PATH, how="inner")
    return prepare_rows(settle(rows, features.numbers), partition.labels)


def _counts_of(partition: Partition) -> dict[float, int]:
    """Give the training films of each label's index, where there are any."""
    counts = (partition.counts.get(label, (0, 0))[0] for label in partition.labels)
    return {float(index): count for index, count in enumerate(counts) if count}


def _trained(
    head: Head,
    recipe: HeadRecipe,
    rows: DataFrame,
    counts: Mapping[float, int],
    dim: int,
    settings: Train,
) -> tuple[HeadModel, Tuned | None]:
    if settings.tune:
        return tune(head, rows, settings.tune_folds, recipe, settings.parallelism)
    return fit(head, rows, recipe, counts, dim), None
