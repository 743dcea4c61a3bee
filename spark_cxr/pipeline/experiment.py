"""One training from folders to report: what jobs/train_*.py do, head by head."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import __version__
from spark_cxr.errors import InputError
from spark_cxr.heads import catalog as heads
from spark_cxr.metrics import Metrics
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline import train as training
from spark_cxr.pipeline.evaluate import count_shared, measure_predictions, mllib_metrics
from spark_cxr.pipeline.featurize import Featurized, featurize_step, featurized_earlier
from spark_cxr.pipeline.split import IS_TEST, check_split, split
from spark_cxr.pipeline.steps import Ingested, phantoms_step
from spark_cxr.schemas import LABEL, TEST_PREDICTIONS
from spark_cxr.settings import Config

SECTIONS = ("phantoms", "ingest", "features", "train")
PHANTOM = "phantom"
"""The source that the manifest of phantoms names."""


@dataclass(frozen=True)
class Fitted:
    """A head after training and test."""

    head: heads.Head
    labels: tuple[str, ...]
    metrics: Metrics
    mllib: dict[str, float]
    n_train: int
    n_test: int
    shared: int
    fingerprint: str
    seconds: float


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
    from spark_cxr.report.training import training_page

    asked = cfg
    if cfg.train.features:
        cfg, ingested, featurized = featurized_earlier(spark, cfg)
    else:
        named = cfg.ingest.images or cfg.features.table
        cfg = cfg if named else _with_phantoms(cfg, output)
        ingested, featurized = featurize_step(spark, cfg, output, cfg.train.classes)
    labels = training.choose_labels(ingested.images, cfg.train.classes)
    wanted = featurized.rows.where(F.col(LABEL).isin(*labels))
    featurized = replace(featurized, rows=wanted)
    check_split(split(wanted, cfg.train.split, cfg.train.test_fraction, cfg.run.seed))
    fitted = _fit(heads.get(name), featurized, labels, cfg, output)
    drawn = wanted.where(~F.col("source").eqNullSafe(PHANTOM)).limit(1).count() == 0
    done = Experiment(asked, cfg, drawn, ingested, featurized, fitted)
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    output.write_json("metrics.json", counts_of(done))
    output.write_text("report.html", training_page(training_report(done, predictions)))
    return Outcome(headline_of(done), summary_of(done, output.table("report.html")))


def _with_phantoms(cfg: Config, output: Output) -> Config:
    folder = Output(output.table("phantoms"))
    phantoms_step(cfg.phantoms, cfg.run.seed, folder)
    manifest = folder.table("manifest.csv")
    ingest = replace(cfg.ingest, images=(folder.address,), labels=manifest, dataset="")
    return replace(cfg, ingest=ingest)


def _fit(
    head: heads.Head, made: Featurized, labels: tuple[str, ...], cfg: Config, output: Output
) -> Fitted:
    started = time.monotonic()
    parted = split(made.rows, cfg.train.split, cfg.train.test_fraction, cfg.run.seed)
    prepared = training.prepare_rows(parted, labels).persist()
    try:
        model = training.fit(head, prepared.where(~F.col(IS_TEST)))
        scored = model.transform(prepared.where(F.col(IS_TEST)))
        print_ = _fingerprint(prepared)
        name = f"{head.name}-{print_}"
        predictions = training.predictions_of(scored, labels, name)
        output.write_table(predictions, "predictions")
        _write_model(model, head, labels, made, print_, cfg, output)
        n_test = scored.count()
        return Fitted(
            head=head,
            labels=labels,
            metrics=measure_predictions(predictions, labels, cfg.run.seed, cfg.train.resamples),
            mllib=mllib_metrics(scored),
            n_train=prepared.count() - n_test,
            n_test=n_test,
            shared=count_shared(prepared),
            fingerprint=print_,
            seconds=time.monotonic() - started,
        )
    finally:
        prepared.unpersist()


def _fingerprint(rows: DataFrame) -> str:
    """Name the data by its content: same images, labels and split, same name, in any order."""
    lot = F.xxhash64("sha256", LABEL, IS_TEST)
    value = rows.agg(F.bit_xor(lot).alias("print")).collect()[0]["print"]
    if value is None:
        raise InputError("feature rows", "none", "See the quarantine")
    return f"{value & (2**64 - 1):016x}"


def _write_model(
    model: Any,
    head: heads.Head,
    labels: tuple[str, ...],
    made: Featurized,
    fingerprint: str,
    cfg: Config,
    output: Output,
) -> None:
    model.write().overwrite().save(output.table("model/head"))
    described = {
        "format": 1,
        "spark_cxr": __version__,
        "head": head.name,
        "labels": list(labels),
        "network": asdict(made.eye.ready.network),
        "engine": asdict(made.used),
        "data": fingerprint,
        "split": {"by": cfg.train.split, "test": cfg.train.test_fraction, "seed": cfg.run.seed},
    }
    output.write_text("model/model.json", json.dumps(described, indent=2, ensure_ascii=False))
