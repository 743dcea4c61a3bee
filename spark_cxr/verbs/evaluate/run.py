"""The job evaluate: a frozen model, labelled films of another place, and whether it holds there."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import EXACT, NEAR
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.model.manifest import Manifest, read_manifest
from spark_cxr.model.model import open_manifest
from spark_cxr.output import Outcome, Output, absolute
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.report.evaluation import evaluation_page
from spark_cxr.schemas import EVALUATED
from spark_cxr.settings import Config
from spark_cxr.verbs.evaluate.answers import evaluated_classes, evaluated_findings
from spark_cxr.verbs.evaluate.films import evaluated_films, training_films, with_findings
from spark_cxr.verbs.evaluate.late import evaluated_scores
from spark_cxr.verbs.evaluate.results import (
    Evaluation,
    EvaluationRun,
    evaluation_report,
    headline_of,
    summary_of,
)
from spark_cxr.verbs.train.card import write_evaluation_card


def check_settings(cfg: Config) -> None:
    """Refuse an evaluation without a model, or of films from two places or none."""
    settings = cfg.evaluate
    if not settings.model:
        raise ConfigError("--model DIR", "none", "Say --model DIR")
    if bool(cfg.ingest.images) == bool(settings.table):
        received = "both" if settings.table else "neither"
        raise ConfigError("--images or --table", received, "Name the one whose films are measured")
    read_classes(settings.classes)


def as_the_model_reads(cfg: Config) -> Config:
    """Read labels as findings where the model is of findings."""
    manifest = read_manifest(Output(absolute(cfg.evaluate.model).rstrip("/")))
    return replace(cfg, ingest=with_findings(cfg.ingest, manifest))


def evaluate_step(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Measure a model on films of another place, or on what it has said of them already."""
    check_settings(cfg)
    started = time.monotonic()
    place = Output(absolute(cfg.evaluate.model).rstrip("/"))
    settings = cfg.evaluate
    if settings.table:
        manifest = open_manifest(place, settings.require_signature)
        source = evaluated_scores(spark, cfg.ingest, settings.table, manifest, output)
    else:
        how = (settings.batch_size, settings.device, settings.require_signature)
        model = open_scorer(spark, settings.model, *how)
        manifest = model.manifest
        source = evaluated_films(spark, cfg, model, training_films(place, manifest), output)
    stage("measuring")
    found = _measured(spark, cfg, manifest, output)
    seconds = time.monotonic() - started
    report = evaluation_report(EvaluationRun(cfg, manifest, source, found, seconds, spark.version))
    output.write_json("evaluation.json", report.to_json())
    output.write_text("report.html", evaluation_page(report))
    write_evaluation_card(report, manifest, output)
    return Outcome(headline_of(report), summary_of(report, output.table("report.html")))


def _measured(spark: SparkSession, cfg: Config, manifest: Manifest, output: Output) -> Evaluation:
    """Bring the films that the model has not learned from to the driver, and measure them."""
    rows = spark.read.schema(EVALUATED).parquet(output.table("predictions"))
    counted = rows.groupBy("learned").count().collect()
    learned = Counter({row["learned"]: row["count"] for row in counted})
    if not learned[None]:
        received = f"{learned.total():,} films, all of them in its training"
        way_out = "Name films of another place"
        raise InputError("labelled films that the model was not trained on", received, way_out)
    new, alignment = rows.where(F.col("learned").isNull()), None
    if manifest.is_of_findings:
        points = {label: manifest.thresholds[label] for label in manifest.labels}
        films = evaluated_findings(new, points)
    else:
        parts = read_classes(cfg.evaluate.classes).parts
        films, alignment = evaluated_classes(new, manifest.labels, parts)
    flags = new.select(F.explode("flags").alias("flag")).groupBy("flag").count().orderBy("flag")
    return Evaluation(
        films=films,
        alignment=alignment,
        exact=learned[EXACT],
        near=learned[NEAR],
        flags={row["flag"]: row["count"] for row in flags.collect()},
    )
