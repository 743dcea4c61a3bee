"""One training from folders to report: what jobs/train_*.py do, head by head."""

from __future__ import annotations

import time
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import LearningPoint, Metrics
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline import heads as training
from spark_cxr.pipeline.classes import choose_classes, read_classes
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.features import FeatureResult, featurize_step, featurized_earlier
from spark_cxr.pipeline.heads import HeadModel, HeadRecipe
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.model_directory import try_out
from spark_cxr.pipeline.partition import Partition, part
from spark_cxr.pipeline.phantom_films import with_phantoms
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import TrainingResult, TrainingRun, Trial
from spark_cxr.pipeline.tune import FOLD, Tuned, tune, with_folds
from spark_cxr.report.training import training_page
from spark_cxr.schemas import FEATURES, PATH, TEST_PREDICTIONS
from spark_cxr.settings import FLAGS_OF, Config, Train
from spark_cxr.verbs.train.learning_curve import learn
from spark_cxr.verbs.train.report import counts_of, headline_of, summary_of, training_report

SECTIONS = FLAGS_OF["train"]
OWN_JOB = ("lr", "rf", "dt")
"""Heads with a job of their own; `train --head NAME` fits them all."""


def train_head(name: str, spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, featurize, split, fit, evaluate; leave model, figures, predictions and a report."""
    asked, head = cfg, heads.get(name)
    training.check_recipe(head, _recipe(cfg))
    cfg, ingested, featurized = _featurized(spark, cfg, output)
    classes = choose_classes(ingested.images, cfg.train.classes)
    labels, wanted = classes.names, classes.take(featurized.rows)
    featurized = replace(featurized, rows=wanted)
    parted = part(wanted.drop(FEATURES), ingested.images, labels, cfg)
    fitted = _fit(head, featurized, ingested.images, parted, cfg, output)
    parted.rows.unpersist()
    job, sections = job_of(name)
    drawn = are_drawn(wanted)
    done = TrainingRun(job, sections, asked, cfg, drawn, ingested, featurized, fitted)
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    output.write_json("metrics.json", counts_of(done))
    model = Output(output.table("model"))
    panels, how = training_panels(predictions, featurized.plan, model, cfg.train.explained)
    report = replace(training_report(done, predictions, model), panels=panels, heat=how)
    output.write_text("report.html", training_page(report))
    return Outcome(headline_of(done), summary_of(done, output.table("report.html")))


def job_of(head: str) -> tuple[str, tuple[str, ...]]:
    """Name the job that fits a head, and the sections that are its flags."""
    return (f"train_{head}", SECTIONS) if head in OWN_JOB else ("train", (*SECTIONS, "any_head"))


def _featurized(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, IngestResult, FeatureResult]:
    """Take the vectors of an earlier run, or make them; also give the settings that then hold."""
    if cfg.train.features:
        return featurized_earlier(spark, cfg)
    cfg = with_phantoms(cfg, output)
    both = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
    labels = read_classes(cfg.train.classes).labels
    ingested, made = featurize_step(spark, replace(cfg, ingest=both), output, labels)
    return cfg, ingested, made


def _recipe(cfg: Config) -> HeadRecipe:
    return HeadRecipe(cfg.run.seed, balance=cfg.train.balance)


def _fit(
    head: heads.Head,
    made: FeatureResult,
    images: DataFrame,
    parted: Partition,
    cfg: Config,
    output: Output,
) -> TrainingResult:
    started = time.monotonic()
    prepared = _prepared(made, parted, cfg).persist()
    try:
        model, tuned = _trained(head, _recipe(cfg), prepared.where(~F.col(IS_TEST)), cfg.train)
        return try_out(
            head,
            model,
            Trial(prepared, parted, images, made, cfg, output),
            started,
            tuned.best if tuned else head.default,
            tuned,
            lambda whole: _learning(head, tuned, prepared, parted.labels, whole, cfg),
        )
    finally:
        prepared.unpersist()


def _prepared(made: FeatureResult, parted: Partition, cfg: Config) -> DataFrame:
    """Bring the sides, and folds, to the vectors: these are read once, and shuffled once."""
    sides = parted.rows.select(PATH, IS_TEST)
    if cfg.train.tune:
        folded = with_folds(parted.rows, cfg.train.split, cfg.train.tune_folds, cfg.run.seed)
        sides = folded.select(PATH, IS_TEST, FOLD)
    rows = made.rows.join(F.broadcast(sides), on=PATH, how="inner")
    return training.prepare_rows(training.settle(rows, made.numbers), parted.labels)


def _trained(
    head: heads.Head, recipe: HeadRecipe, train_rows: DataFrame, asked: Train
) -> tuple[HeadModel, Tuned | None]:
    if asked.tune:
        return tune(head, train_rows, asked.tune_folds, recipe, asked.parallelism)
    return training.fit(head, train_rows, recipe), None


def _learning(
    head: heads.Head,
    tuned: Tuned | None,
    prepared: DataFrame,
    labels: tuple[str, ...],
    whole: Metrics,
    cfg: Config,
) -> tuple[LearningPoint, ...]:
    if not cfg.train.learning_curve:
        return ()
    recipe = replace(_recipe(cfg), setting=tuned.best if tuned else ())
    return learn(head, recipe, prepared, labels, whole, cfg.train)
