"""One training from folders to report: what jobs/train_*.py do, head by head."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import LearningPoint, Metrics
from spark_cxr.model.reference import Reference
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline import train as training
from spark_cxr.pipeline.classes import choose_classes, read_classes
from spark_cxr.pipeline.evaluate import count_shared, measure_predictions, mllib_metrics
from spark_cxr.pipeline.facts import are_drawn
from spark_cxr.pipeline.featurize import Featurized, featurize_step, featurized_earlier
from spark_cxr.pipeline.learning import learn
from spark_cxr.pipeline.model_directory import Made, write_model
from spark_cxr.pipeline.reference import reference_of
from spark_cxr.pipeline.split import IS_TEST, check_split, split, split_by_folder
from spark_cxr.pipeline.split_column import with_values
from spark_cxr.pipeline.steps import Ingested, with_phantoms
from spark_cxr.pipeline.train import HeadModel, Recipe
from spark_cxr.pipeline.tune import FOLD, Tuned, tune, with_folds
from spark_cxr.schemas import FEATURES, LABEL, PATH, TEST_PREDICTIONS
from spark_cxr.settings import Config, Train

SECTIONS = ("phantoms", "ingest", "features", "train", "gate", "track", "registry")


@dataclass(frozen=True)
class Parted:
    """Films that train and films that test, without their vectors."""

    rows: DataFrame
    labels: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    """Of each label: how many train, and how many test."""
    left_out: int
    """Films to which the split gives no side."""

    @property
    def n_train(self) -> int:
        """Count the films that train."""
        return sum(train for train, _ in self.counts.values())

    @property
    def n_test(self) -> int:
        """Count the films that test."""
        return sum(test for _, test in self.counts.values())


@dataclass(frozen=True)
class Fitted:
    """A head after training and test."""

    head: heads.Head
    parted: Parted
    fingerprint: str
    metrics: Metrics
    mllib: dict[str, float]
    shared: int
    setting: heads.Setting
    tuned: Tuned | None
    """What `--tune` tried; None where it was not asked for."""
    learning: tuple[LearningPoint, ...]
    seconds: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the classes, in the order of the probabilities."""
        return self.parted.labels


@dataclass(frozen=True)
class Experiment:
    """All that a report tells of one training."""

    asked: Config
    """As the user said it."""
    cfg: Config
    """The same with images of our own where none were named."""
    drawn: bool
    """All films are phantoms."""
    ingested: Ingested
    featurized: Featurized
    fitted: Fitted


def train_head(name: str, spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, featurize, split, fit, evaluate; leave model, figures, predictions and a report."""
    from spark_cxr.pipeline.account import counts_of, headline_of, summary_of, training_report
    from spark_cxr.pipeline.explain.panels import training_panels
    from spark_cxr.report.training import training_page

    asked, head, recipe = cfg, heads.get(name), _recipe(cfg)
    training.check_recipe(head, recipe)
    cfg, ingested, featurized = _featurized(spark, cfg, output)
    classes = choose_classes(ingested.images, cfg.train.classes)
    labels, wanted = classes.names, classes.take(featurized.rows)
    featurized = replace(featurized, rows=wanted)
    parted = _parted(wanted.drop(FEATURES), ingested.images, labels, cfg)
    fitted = _fit(head, recipe, featurized, parted, cfg, output)
    parted.rows.unpersist()
    done = Experiment(asked, cfg, are_drawn(wanted), ingested, featurized, fitted)
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    output.write_json("metrics.json", counts_of(done))
    model = Output(output.table("model"))
    panels, how = training_panels(predictions, featurized.eye.ready, model, cfg.train.explained)
    report = replace(training_report(done, predictions), panels=panels, heat=how)
    output.write_text("report.html", training_page(report))
    return Outcome(headline_of(done), summary_of(done, output.table("report.html")))


def _featurized(
    spark: SparkSession, cfg: Config, output: Output
) -> tuple[Config, Ingested, Featurized]:
    """Take the vectors of an earlier run, or make them; also give the settings that then hold."""
    if cfg.train.features:
        return featurized_earlier(spark, cfg)
    cfg = with_phantoms(cfg, output)
    both = replace(cfg.ingest, images=(*cfg.ingest.images, *cfg.train.test_images))
    labels = read_classes(cfg.train.classes).labels
    ingested, made = featurize_step(spark, replace(cfg, ingest=both), output, labels)
    return cfg, ingested, made


def _parted(films: DataFrame, images: DataFrame, labels: tuple[str, ...], cfg: Config) -> Parted:
    """Say who trains and who tests, and refuse what would be no test."""
    train = cfg.train
    if train.test_images:
        rows = split_by_folder(films, train.test_images, train.crossing)
    else:
        valued = with_values(films, images, train.split, cfg.ingest)
        rows = split(valued, train.split, train.test_fraction, cfg.run.seed, train.crossing)
    rows = rows.persist()
    counts = check_split(rows, may_cross=train.split == "image" or train.crossing == "keep")
    return Parted(rows, labels, counts, films.count() - sum(map(sum, counts.values())))


def _recipe(cfg: Config) -> Recipe:
    return Recipe(cfg.run.seed, balance=cfg.train.balance)


def _fit(
    head: heads.Head,
    recipe: Recipe,
    made: Featurized,
    parted: Parted,
    cfg: Config,
    output: Output,
) -> Fitted:
    started, labels = time.monotonic(), parted.labels
    prepared = _prepared(made, parted, cfg).persist()
    try:
        model, tuned = _trained(head, recipe, prepared.where(~F.col(IS_TEST)), cfg.train)
        scored = model.transform(prepared.where(F.col(IS_TEST)))
        print_ = _fingerprint(parted.rows)
        predictions = training.predictions_of(scored, labels, f"{head.name}-{print_}")
        output.write_table(predictions, "predictions")
        metrics = measure_predictions(predictions, labels, cfg.run.seed, cfg.train.resamples)
        fitted = Fitted(
            head=head,
            parted=parted,
            fingerprint=print_,
            metrics=metrics,
            mllib=mllib_metrics(scored),
            shared=count_shared(parted.rows),
            setting=tuned.best if tuned else head.default,
            tuned=tuned,
            learning=_learning(head, tuned, prepared, labels, metrics, cfg),
            seconds=time.monotonic() - started,
        )
        trained = prepared.where(~F.col(IS_TEST))
        known = reference_of(trained, predictions, labels, cfg.gate, cfg.run.seed)
        write_model(model, _recorded(fitted, made, known, cfg), Output(output.table("model")))
        return fitted
    finally:
        prepared.unpersist()


def _prepared(made: Featurized, parted: Parted, cfg: Config) -> DataFrame:
    """Bring the sides, and folds, to the vectors: these are read once, and shuffled once."""
    sides = parted.rows.select(PATH, IS_TEST)
    if cfg.train.tune:
        folded = with_folds(parted.rows, cfg.train.split, cfg.train.tune_folds, cfg.run.seed)
        sides = folded.select(PATH, IS_TEST, FOLD)
    rows = made.rows.join(F.broadcast(sides), on=PATH, how="inner")
    return training.prepare_rows(training.settle(rows, made.numbers), parted.labels)


def _trained(
    head: heads.Head, recipe: Recipe, train_rows: DataFrame, asked: Train
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


def _recorded(fitted: Fitted, made: Featurized, known: Reference, cfg: Config) -> Made:
    return Made(
        name=f"{fitted.head.name}-{fitted.fingerprint}",
        labels=fitted.labels,
        setting=fitted.setting,
        ready=made.eye.ready,
        used=made.used,
        metrics=fitted.metrics,
        reference=known,
        data=fitted.fingerprint,
        split={"by": cfg.train.split, "test": cfg.train.test_fraction, "seed": cfg.run.seed},
    )


def _fingerprint(rows: DataFrame) -> str:
    """Name the data by its content: same images, labels and split, same name, in any order."""
    lot = F.xxhash64("sha256", LABEL, IS_TEST)
    value = rows.agg(F.bit_xor(lot).alias("print")).collect()[0]["print"]
    return f"{value & (2**64 - 1):016x}"
