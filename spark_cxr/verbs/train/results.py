"""What a training leaves: metrics.json, lines for the console, content of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from spark_cxr import __version__
from spark_cxr.config import command_line
from spark_cxr.images.sight import with_sight
from spark_cxr.metrics.decision_wording import decision_lines
from spark_cxr.metrics.results import ClassCount, RunSummary, SplitSummary, TrainingReport
from spark_cxr.metrics.subgroup_wording import gap_warnings
from spark_cxr.metrics.wording import overlap_in_words, overlap_warning
from spark_cxr.model.manifest import read_manifest
from spark_cxr.model.model import read_predictor
from spark_cxr.output import Output
from spark_cxr.pipeline.data_summary import (
    PHANTOMS,
    RefusalCheck,
    audit_of,
    data_caveats,
    data_summary,
    engine_line,
    mistakes_of,
    network_caveats,
    network_line,
    parts_of,
)
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.matrix_films import films_of_classes
from spark_cxr.pipeline.splits import is_drawn
from spark_cxr.pipeline.trial import FindingsRun, TrainingRun
from spark_cxr.pipeline.vector_maps import map_of_vectors
from spark_cxr.report.card_record import BESIDE

LEARNED = "test_images_the_network_was_trained_on"


def counts_of(done: TrainingRun) -> dict[str, Any]:
    """Give the content of metrics.json."""
    result = done.result
    return {
        **result.metrics.to_json(),
        **run_counts(done),
        **decision_entry(done),
        "learning_curve": [point.to_json() for point in result.learning],
        **({"tuned": asdict(result.tuned)} if result.tuned else {}),
        **({"subgroups": result.gaps.to_json()} if result.gaps else {}),
        "caveats": list(caveats_of(done)),
    }


def run_counts(done: TrainingRun | FindingsRun) -> dict[str, Any]:
    """Say for metrics.json what a head was made from, and what it shares with its test."""
    result = done.result
    return {
        "mllib": result.mllib,
        "n_train": result.partition.n_train,
        "n_test": result.partition.n_test,
        "files": done.ingested.files,
        "images": done.ingested.n_images,
        "quarantined": done.ingested.quarantined,
        "seconds_training": round(result.seconds, 2),
        "images_per_second": round(done.featurized.images_per_second, 1),
        "split": str(result.split_words(done.cfg.train)),
        "test_images_with_patient_or_twin_in_training": result.shared,
        LEARNED: result.overlap.learned,
        "overlap": result.overlap.to_json(),
        "data": PHANTOMS if done.drawn else list(done.cfg.ingest.images),
        "backbone": done.cfg.features.backbone,
        "engine": done.featurized.used.engine,
        "used": asdict(done.featurized.used),
        "weights": done.featurized.plan.network.weights.origin,
        "reused": done.featurized.reused,
        **vectors_entry(done.featurized),
        "head": result.head.name,
        "setting": dict(result.setting),
        "balance": done.cfg.train.balance,
    }


def decision_entry(done: TrainingRun | FindingsRun) -> dict[str, Any]:
    """Say what was learned of how to decide, where anything was, and what it gives on the test."""
    found = done.result.decision_figures
    return {"decision": found.to_json()} if found else {}


def headline_of(done: TrainingRun) -> dict[str, Any]:
    """Give the figures for the one line of JSON and run.json; metrics.json has them all."""
    names = ("accuracy", "f1_macro", "n_train", "n_test", "files", "images", "quarantined", LEARNED)
    figures = counts_of(done)
    shown = {name: figures[name] for name in (*names, "images_per_second", "split", "engine")}
    return {**shown, **vectors_entry(done.featurized), **done.ingested.pass_counts()}


def vectors_entry(featurized: FeatureResult) -> dict[str, Any]:
    """Give what is known of vectors made elsewhere, and what was not checked, where they were."""
    return {"vectors": featurized.elsewhere.to_json()} if featurized.elsewhere else {}


def summary_of(done: TrainingRun, report: str) -> str:
    """Give the small table for the console."""
    found, overlap = done.result.metrics, done.result.overlap
    lines = [f"warning: {overlap_warning(overlap)}"] if overlap.learned else []
    lines += [f"warning: {sentence}" for sentence in gap_warnings(done.result.gaps)]
    lines += [f"{'':<16}{'precision':>10}{'recall':>8}{'f1':>8}{'auc':>8}{'images':>8}"]
    columns = (found.precision, found.recall, found.f1, found.auc)
    for i, label in enumerate(found.labels):
        values = (column[i] for column in columns)
        shown = ["–" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"{label:<16}{shown[0]:>10}" + "".join(f"{x:>8}" for x in shown[1:]))
        lines[-1] += f"{found.support[i]:>8}"
    interval = found.intervals.accuracy
    ends = f" (95 % interval {interval.low:.3f} to {interval.high:.3f})" if interval else ""
    lines += [
        f"accuracy {found.accuracy:.3f}{ends} on {found.n} films of {found.groups} groups,"
        f" {done.result.split_words(done.cfg.train)}",
        network_line(done.featurized),
        *done.ingested.times.lines,
        *([f"{overlap_in_words(overlap)}."] if overlap.learned == 0 else []),
        *decision_lines(done.result.decision_figures),
        *(f"note: {caveat}" for caveat in caveats_of(done)),
        f"report: {report}",
    ]
    return "\n".join(lines)


def caveats_of(done: TrainingRun) -> Iterator[str]:
    """Say what a reader must know before relying on a figure."""
    yield from data_caveats(done.ingested, done.drawn)
    yield from network_caveats(done.featurized)
    partition = done.result.partition
    if partition.left_out:
        yield f"{partition.left_out:,} films neither train nor test: the split leaves them out."
    if shared := done.result.shared:
        yield (
            f"{shared:,} of {partition.n_test:,} test films have their patient or a twin in "
            "training, so the figures are too good."
        )
    yield from done.result.decision.notes


def training_report(done: TrainingRun, predictions: DataFrame, model: Output) -> TrainingReport:
    """Gather what the report of a training says; `model` is the directory of the trained model."""
    cfg, result = done.cfg, done.result
    predictor, network = read_predictor(model, read_manifest(model)), done.featurized.plan.network
    check = RefusalCheck(predictor, done.featurized.rows, network.size_hw)
    counts = tuple(ClassCount(label, *result.partition.counts[label]) for label in result.labels)
    return TrainingReport(
        job=done.job,
        title=f"{result.head.title} on {cfg.features.backbone} features",
        metrics=result.metrics,
        data=data_summary(cfg, done.ingested, done.drawn, counts),
        split=split_summary(done),
        model=(
            ("Head", result.head.title),
            ("Backbone", with_sight(cfg.features.backbone, network.see)),
            ("Weights", network.weights.origin),
            ("Engine", engine_line(done.featurized)),
            ("Name", f"{result.head.name}-{result.fingerprint}"),
        ),
        run=run_summary(done, predictions.sparkSession),
        overlap=result.overlap,
        decision=result.decision_figures,
        caveats=tuple(caveats_of(done)),
        mistakes=mistakes_of(predictions, check, done.ingested.has_films),
        matrix=films_of_classes(predictions, done.ingested.has_films),
        parts=parts_of(result.answers, result.labels, cfg, result.subgroups),
        net_benefit=result.answers.decision_curves(result.labels, cfg),
        missed=result.gaps,
        learning=result.learning,
        audit=audit_of(predictions.sparkSession, cfg, done.ingested),
        map=map_of_vectors(
            done.featurized.rows,
            predictions,
            network.dim,
            cfg.run.seed,
            backbone=network.backbone,
            head=result.head.title,
        ),
    )


def split_summary(done: TrainingRun | FindingsRun) -> SplitSummary:
    """Say how the test was set apart."""
    cfg, result = done.cfg, done.result
    known, words = result.partition.people.patients > 0, result.split_words(cfg.train)
    drawn = (("Seed", str(cfg.run.seed)), ("Share for the test", f"{cfg.train.test_fraction:g}"))
    return SplitSummary(
        method=words.method,
        patients=words.patients,
        n_train=result.partition.n_train,
        n_test=result.partition.n_test,
        shared=result.shared if known else None,
        unit="patient" if known else None,
        notes=drawn if is_drawn(cfg.train) else (),
    )


def run_summary(done: TrainingRun | FindingsRun, spark: SparkSession) -> RunSummary:
    """Say what ran, and how to run it again."""
    flags = command_line(done.command, done.sections)
    return RunSummary(
        commands=(f"spark-submit jobs/{done.job}.py {flags}",),
        config=(("All settings", "run.json beside this page"),),
        versions=(("spark_cxr", __version__), ("Spark", spark.version)),
        seconds=done.featurized.seconds + done.result.seconds,
        images_per_second=done.featurized.images_per_second,
        spent=done.ingested.times.facts,
        beside=BESIDE,
    )
