"""What a fine-tuning leaves: metrics.json, curves, and the report of a training with more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pyspark.sql import DataFrame, SparkSession

from spark_cxr.backbones.cache import cache_dir
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.results import EpochPoint, LearningSummary, TrainingReport
from spark_cxr.metrics.wording import counted, duration
from spark_cxr.output import Outcome, Output, is_here, locate
from spark_cxr.pipeline.classes import Classes
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.pipeline.trial import FindingsRun, TrainingRun
from spark_cxr.report.findings import findings_page
from spark_cxr.report.training import draw_accuracy, draw_loss, training_page
from spark_cxr.schemas import TEST_FINDINGS, TEST_PREDICTIONS
from spark_cxr.settings import Config
from spark_cxr.training.loop import SHEET
from spark_cxr.training.recipe import Recipe
from spark_cxr.training.task import Epoch, TrainedNetwork
from spark_cxr.verbs.finetune.films import LearningFilms
from spark_cxr.verbs.finetune.learners import Learners
from spark_cxr.verbs.finetune.request import Start
from spark_cxr.verbs.train.card import write_training_card
from spark_cxr.verbs.train.finding_results import (
    counts_of_findings,
    findings_report,
    headline_of_findings,
    summary_of_findings,
)
from spark_cxr.verbs.train.results import counts_of, headline_of, summary_of, training_report

CHOSEN_BY = "Training images that chose the best epoch"
SOLVED = "solved once more, as logistic regression on films as they are"
OURS = ("n_val", "best_epoch", "epochs", "images_per_second_training")
"""What the one line of JSON has beside the figures of any training."""
Report = TypeVar("Report", TrainingReport, FindingsReport)
CURVES = {"curves/loss.svg": draw_loss, "curves/accuracy.svg": draw_accuracy}


@dataclass(frozen=True)
class FinetunePlan:
    """What to train, and with which films."""

    command: Config
    """As the user gave it."""
    recipe: Recipe
    start: Start
    films: LearningFilms
    classes: Classes
    output: Output


@dataclass(frozen=True)
class FinetuneResult:
    """All that came of a fine-tuning."""

    plan: FinetunePlan
    learners: Learners
    trained: TrainedNetwork
    run: TrainingRun | FindingsRun
    """Of its head, on the vectors of the trained network."""
    seconds: float
    """Of the training of the network, since the last restart."""


def folder_of(output: Output) -> Path:
    """Find the folder of the training: --out itself, or a local one where that is remote."""
    if is_here(output.address):
        return Path(locate(output.address)[1])
    folder = cache_dir("training") / output.address.replace("/", "_").replace(":", "_")
    folder.mkdir(exist_ok=True)
    return folder


def write_results(spark: SparkSession, found: FinetuneResult) -> Outcome:
    """Write metrics.json, the curves and report.html, and give what matters most."""
    output, done = found.plan.output, found.run
    figures = figures_of(found)
    output.write_json("metrics.json", figures)
    learning = _learning(found)
    for name, draw in CURVES.items():
        output.write_text(name, draw(learning.epochs, learning.best))
    page = output.table("report.html")
    if isinstance(done, FindingsRun):
        of_findings = _findings_report(spark, found, done, learning)
        output.write_text("report.html", findings_page(of_findings))
        write_training_card(of_findings, figures, done.cfg.gate, output)
        headline, summary = headline_of_findings(done), summary_of_findings(done, page)
    else:
        report = _report(spark, found, done, learning)
        output.write_text("report.html", training_page(report))
        write_training_card(report, figures, done.cfg.gate, output)
        headline, summary = headline_of(done), summary_of(done, page)
    headline |= {name: figures[name] for name in ("n_train", *OURS)}
    lines = [*caveats_of(found), f"network: {output.table('weights.keras')}"]
    return Outcome(headline, "\n".join([summary, *lines]))


def figures_of(found: FinetuneResult) -> dict[str, Any]:
    """Give the content of metrics.json: that of a head, and how the network was trained."""
    epochs, done = found.trained.history.epochs, found.run
    figures = counts_of_findings(done) if isinstance(done, FindingsRun) else counts_of(done)
    return {
        **figures,
        "n_train": found.learners.n_train,
        "n_val": found.learners.n_val,
        "kept_out": found.learners.kept_out,
        "seconds_training": round(sum(epoch.seconds for epoch in epochs), 2),
        "images_per_second_training": round(_speed(epochs), 1),
        "balance": found.plan.command.finetune.balance_by,
        "recipe": found.plan.recipe.to_json(),
        "started_from": found.plan.start.weights.origin,
        "best_epoch": found.trained.best_epoch,
        "refitted": found.trained.is_refitted,
        "epochs": len(epochs),
        "history": found.trained.history.to_json(),
        "caveats": [*figures["caveats"], *caveats_of(found)],
    }


def _speed(epochs: tuple[Epoch, ...]) -> float:
    """Give the films a second that went through training, over all epochs."""
    seconds = sum(epoch.seconds for epoch in epochs)
    return sum(e.images_per_second * e.seconds for e in epochs) / seconds if seconds else 0.0


def caveats_of(found: FinetuneResult) -> Iterator[str]:
    """Say what a reader must know beside what holds for any training."""
    if n := found.learners.kept_out:
        yield (
            f"{n:,} films did not train: they are, or are of the patient or twins of, one of "
            f"{', '.join(found.plan.command.finetune.never)}."
        )


def _learning(found: FinetuneResult) -> LearningSummary:
    """Gather what the report shows of the epochs."""
    names = [field.name for field in fields(EpochPoint)]
    epochs = found.trained.history.epochs
    points = tuple(EpochPoint(**{n: getattr(epoch, n) for n in names}) for epoch in epochs)
    sheet = (folder_of(found.plan.output) / SHEET).read_bytes()
    trained, best_by = found.trained, found.plan.recipe.best_by
    n_val = found.learners.n_val
    return LearningSummary(points, trained.best_epoch, n_val, sheet, best_by, trained.is_refitted)


def _report(
    spark: SparkSession, found: FinetuneResult, done: TrainingRun, learning: LearningSummary
) -> TrainingReport:
    """Gather the report: that of a head, with the training of the network."""
    output = found.plan.output
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    plain = training_report(done, predictions, Output(output.table("model")))
    return _with_network(plain, found, done, learning, predictions)


def _findings_report(
    spark: SparkSession, found: FinetuneResult, done: FindingsRun, learning: LearningSummary
) -> FindingsReport:
    """Gather the same of several findings."""
    predictions = spark.read.schema(TEST_FINDINGS).parquet(found.plan.output.table("predictions"))
    return _with_network(findings_report(done, predictions), found, done, learning, predictions)


def _with_network(
    plain: Report,
    found: FinetuneResult,
    done: TrainingRun | FindingsRun,
    learning: LearningSummary,
    predictions: DataFrame,
) -> Report:
    model, explained = Output(found.plan.output.table("model")), done.cfg.train.explained
    panels, how = training_panels(predictions, done.featurized.plan, model, explained)
    chosen_by = (CHOSEN_BY, f"{found.learners.n_val:,}")
    return replace(
        plain,
        title=f"{found.plan.start.backbone.name}, fine-tuned, with a {done.result.head.title}",
        model=(*plain.model, *_model(found)),
        split=replace(plain.split, notes=(chosen_by, *plain.split.notes)),
        run=replace(plain.run, seconds=plain.run.seconds + found.seconds),
        caveats=(*plain.caveats, *caveats_of(found)),
        learned=learning,
        panels=panels,
        heat=how,
    )


def _model(found: FinetuneResult) -> Iterator[tuple[str, str]]:
    recipe, epochs = found.plan.recipe, found.trained.history.epochs
    alone, calm = (counted(n, "epoch") for n in (recipe.warm_epochs, recipe.calm_epochs))
    seconds = duration(sum(epoch.seconds for epoch in epochs))
    yield "Started from", found.plan.start.weights.origin
    yield "What learned", f"{recipe.layers} of its layers, after {alone} of the head alone"
    yield "Calm at the end", f"{calm} of films as they are but for erased corners, in small steps"
    yield "Last layer", SOLVED if found.trained.is_refitted else "as it learned"
    yield "Trained", f"{counted(len(epochs), 'epoch')} in {seconds}, {_speed(epochs):,.1f} images/s"
