"""What a fine-tuning has to say: metrics.json, curves, and the report of a training with more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.metrics.results import EpochPoint, LearningSummary, TrainingReport
from spark_cxr.metrics.wording import counted, duration
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.report.training import draw_accuracy, draw_loss, training_page
from spark_cxr.schemas import TEST_PREDICTIONS
from spark_cxr.training.task import Epoch
from spark_cxr.verbs.finetune.results import FinetuneResult
from spark_cxr.verbs.train.report import counts_of, headline_of, summary_of, training_report

SOLVED = "solved once more, as logistic regression on films as they are"
OURS = ("n_val", "best_epoch", "epochs", "images_per_second_training")
"""What the one line of JSON says beside the figures of any training."""
CURVES = {"curves/loss.svg": draw_loss, "curves/accuracy.svg": draw_accuracy}


def tell(spark: SparkSession, found: FinetuneResult) -> Outcome:
    """Write metrics.json, the curves and report.html, and say what matters most."""
    output, done = found.plan.output, found.experiment
    told = figures_of(found)
    output.write_json("metrics.json", told)
    learned = learned_of(found)
    for name, draw in CURVES.items():
        output.write_text(name, draw(learned.epochs, learned.best))
    output.write_text("report.html", training_page(report_of(spark, found, learned)))
    headline = {name: told[name] for name in (*headline_of(done), *OURS)}
    lines = [*caveats_of(found), f"network: {output.table('weights.keras')}"]
    summary = summary_of(done, output.table("report.html"))
    return Outcome(headline, "\n".join([summary, *lines]))


def figures_of(found: FinetuneResult) -> dict[str, Any]:
    """Give the content of metrics.json: that of a head, and how the network learned."""
    epochs, asked = found.trained.history.epochs, found.plan.asked
    told = counts_of(found.experiment)
    return {
        **told,
        "n_train": found.learners.n_train,
        "n_val": found.learners.n_val,
        "kept_out": found.learners.kept_out,
        "seconds_training": round(sum(epoch.seconds for epoch in epochs), 2),
        "images_per_second_training": round(_speed(epochs), 1),
        "balance": asked.finetune.balance_by,
        "recipe": found.plan.recipe.to_json(),
        "started_from": found.plan.start.weights.origin,
        "best_epoch": found.trained.best_epoch,
        "refitted": found.trained.is_refitted,
        "epochs": len(epochs),
        "history": found.trained.history.to_json(),
        "caveats": [*told["caveats"], *caveats_of(found)],
    }


def _speed(epochs: tuple[Epoch, ...]) -> float:
    """Say how many films a second went through training, over all epochs."""
    seconds = sum(epoch.seconds for epoch in epochs)
    return sum(e.images_per_second * e.seconds for e in epochs) / seconds if seconds else 0.0


def caveats_of(found: FinetuneResult) -> Iterator[str]:
    """Say what a reader must know beside what holds for any training."""
    if n := found.learners.kept_out:
        yield (
            f"{n:,} films did not train: they are, or are of the patient or twins of, one of "
            f"{', '.join(found.plan.asked.finetune.never)}."
        )


def learned_of(found: FinetuneResult) -> LearningSummary:
    """Gather what the report tells of the epochs."""
    points = (
        EpochPoint(
            number=epoch.number,
            phase=epoch.phase,
            learning_rate=epoch.learning_rate,
            loss=epoch.loss,
            accuracy=epoch.accuracy,
            val_loss=epoch.val_loss,
            val_accuracy=epoch.val_accuracy,
            images_per_second=epoch.images_per_second,
        )
        for epoch in found.trained.history.epochs
    )
    return LearningSummary(
        tuple(points), found.trained.best_epoch, found.learners.n_val, found.sheet
    )


def report_of(
    spark: SparkSession, found: FinetuneResult, learned: LearningSummary
) -> TrainingReport:
    """Gather the report: that of a head, with the network that learned."""
    done, output = found.experiment, found.plan.output
    predictions = spark.read.schema(TEST_PREDICTIONS).parquet(output.table("predictions"))
    plan, shown = done.featurized.plan, done.cfg.train.explained
    model = Output(output.table("model"))
    panels, how = training_panels(predictions, plan, model, shown)
    plain = training_report(done, predictions, model)
    return replace(
        plain,
        title=f"{found.plan.start.backbone.name}, fine-tuned, with a {done.fitted.head.title}",
        model=(*plain.model, *_told(found)),
        split=replace(plain.split, notes=(*_validation(found), *plain.split.notes)),
        run=replace(plain.run, seconds=plain.run.seconds + found.seconds),
        caveats=(*plain.caveats, *caveats_of(found)),
        learned=learned,
        panels=panels,
        heat=how,
    )


def _told(found: FinetuneResult) -> Iterator[tuple[str, str]]:
    recipe, epochs = found.plan.recipe, found.trained.history.epochs
    alone, calm = (counted(n, "epoch") for n in (recipe.warm_epochs, recipe.calm_epochs))
    seconds = duration(sum(epoch.seconds for epoch in epochs))
    yield "Started from", found.plan.start.weights.origin
    yield "What learned", f"{recipe.layers} of its layers, after {alone} of the head alone"
    yield "Calm at the end", f"{calm} of films as they are but for erased corners, in small steps"
    yield "Last layer", SOLVED if found.trained.is_refitted else "as it learned"
    yield "Trained", f"{counted(len(epochs), 'epoch')} in {seconds}, {_speed(epochs):,.1f} images/s"


def _validation(found: FinetuneResult) -> Iterator[tuple[str, str]]:
    yield "Training images that chose the best epoch", f"{found.learners.n_val:,}"
