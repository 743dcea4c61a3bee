"""A trained head → its predictions on the test, its figures, and its model directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.heads.catalog import Setting
from spark_cxr.metrics import LearningPoint, Metrics, Overlap
from spark_cxr.model.reference import Reference
from spark_cxr.output import Output
from spark_cxr.pipeline.evaluate import (
    count_shared,
    marked,
    measure_predictions,
    mllib_metrics,
    overlap_of,
)
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.heads import predictions_of
from spark_cxr.pipeline.ingest import IngestResult, limits_of
from spark_cxr.pipeline.model_directory import FittedHead, ModelFacts, reference_of, write_model
from spark_cxr.pipeline.partition import Partition, SplitWords, fingerprint, split_words
from spark_cxr.pipeline.splits import IS_TEST, is_drawn
from spark_cxr.pipeline.tune import Tuned
from spark_cxr.schemas import TEST_PREDICTIONS
from spark_cxr.settings import Config, Train


class HeadTitle(Protocol):
    """A head as a report speaks of it."""

    @property
    def name(self) -> str:
        """Give the word for files and tables."""
        ...

    @property
    def title(self) -> str:
        """Give the words for people."""
        ...


@dataclass(frozen=True)
class Trial:
    """What a head is tested on, and where its predictions and the model go."""

    prepared: DataFrame
    """Vectors of both sides, as heads take them; kept in memory by the caller."""
    parted: Partition
    images: DataFrame
    """`schemas.IMAGES` of these films, and maybe of others."""
    made: FeatureResult
    cfg: Config
    output: Output


@dataclass(frozen=True)
class TrainingResult:
    """A head after training and test."""

    head: HeadTitle
    parted: Partition
    fingerprint: str
    metrics: Metrics
    mllib: dict[str, float]
    shared: int
    overlap: Overlap
    setting: Setting
    tuned: Tuned | None
    """What `--tune` tried; None without it."""
    learning: tuple[LearningPoint, ...]
    seconds: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the classes, in the order of the probabilities."""
        return self.parted.labels

    def split_words(self, train: Train) -> SplitWords:
        """Say how the test was set apart."""
        by_folder = bool(train.test_images)
        return split_words(train.split, self.parted.people, self.shared, by_folder)


Learning = Callable[[Metrics], tuple[LearningPoint, ...]]
"""Says what fewer films would have brought, beside what was measured after all of them."""


@dataclass(frozen=True)
class TrainingRun:
    """All that a report shows of one training."""

    job: str
    sections: tuple[str, ...]
    """Those that are flags of the job."""
    asked: Config
    """As the user said it."""
    cfg: Config
    """The same with images of our own where none were named."""
    drawn: bool
    """All films are phantoms."""
    ingested: IngestResult
    featurized: FeatureResult
    fitted: TrainingResult


def try_out(
    head: HeadTitle,
    model: FittedHead,
    trial: Trial,
    started: float,
    setting: Setting = (),
    tuned: Tuned | None = None,
    learning: Learning = lambda _: (),
) -> TrainingResult:
    """Score the films that test, measure, and leave `predictions/` and `model/`.

    Args:
        head: What the model is called.
        model: Adds the columns of `heads.HeadModel`.
        trial: Films, settings, and where to write.
        started: When the fitting began, by the monotonic clock.
        setting: Of the head.
        tuned: How that was found.
        learning: Says what fewer films would have brought.
    """
    cfg, labels = trial.cfg, trial.parted.labels
    print_ = fingerprint(trial.parted.rows)
    scored = model.transform(trial.prepared.where(F.col(IS_TEST))).persist()
    table = trial.output.table("predictions")
    trial.output.write_table(predictions_of(scored, labels, f"{head.name}-{print_}"), "predictions")
    predictions = scored.sparkSession.read.schema(TEST_PREDICTIONS).parquet(table)
    metrics = measure_predictions(predictions, labels, cfg.run.seed, cfg.train.resamples)
    network = trial.made.plan.network
    marks = marked(trial.images, predictions, network)
    result = TrainingResult(
        head=head,
        parted=trial.parted,
        fingerprint=print_,
        metrics=metrics,
        mllib=mllib_metrics(scored),
        shared=count_shared(trial.parted.rows),
        overlap=overlap_of(marks, predictions, labels, network, cfg),
        setting=setting,
        tuned=tuned,
        learning=learning(metrics),
        seconds=time.monotonic() - started,
    )
    scored.unpersist()
    trained = trial.prepared.where(~F.col(IS_TEST))
    known = reference_of(trained, predictions, labels, cfg.gate, cfg.run.seed)
    write_model(model, _facts(result, trial, known), Output(trial.output.table("model")))
    return result


def _facts(result: TrainingResult, trial: Trial, known: Reference) -> ModelFacts:
    cfg = trial.cfg
    split = {"how": str(result.split_words(cfg.train))}
    drawn = {"test": cfg.train.test_fraction, "seed": cfg.run.seed}
    return ModelFacts(
        name=f"{result.head.name}-{result.fingerprint}",
        labels=result.labels,
        setting=result.setting,
        plan=trial.made.plan,
        limits=limits_of(cfg.ingest),
        used=trial.made.used,
        metrics=result.metrics,
        overlap=result.overlap,
        reference=known,
        data=result.fingerprint,
        split={**split, **(drawn if is_drawn(cfg.train) else {})},
    )
