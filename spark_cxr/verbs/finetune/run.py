"""One fine-tuning from folders to report: what jobs/finetune.py does."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.backbones import film_list
from spark_cxr.output import Outcome, Output, is_here
from spark_cxr.pipeline import heads
from spark_cxr.pipeline.classes import choose_classes, read_classes
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.evaluate import list_films
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.model_directory import try_out
from spark_cxr.pipeline.partition import Partition, part
from spark_cxr.pipeline.reading import small_copies
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import TrainingRun, Trial
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, PATH, columns
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.training.loop import CHECKPOINT, HISTORY, SHEET, WEIGHTS, train
from spark_cxr.training.task import Task, TrainedNetwork
from spark_cxr.verbs.finetune.distributed import train_together
from spark_cxr.verbs.finetune.films import FILMS, LearnerFilms, cached_films, featurize_cached
from spark_cxr.verbs.finetune.head import PortableModel, trained_head
from spark_cxr.verbs.finetune.learners import (
    Learners,
    choose_learners,
    of_learners,
    with_validation,
)
from spark_cxr.verbs.finetune.report import tell
from spark_cxr.verbs.finetune.request import recipe_of, start_of, with_weights
from spark_cxr.verbs.finetune.results import FinetunePlan, FinetuneResult, folder_of
from spark_cxr.verbs.finetune.sources import known_films

LOG = logging.getLogger(__name__)

JOB = "finetune"
SECTIONS = FLAGS_OF["finetune"]


def finetune(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, split, train the network, featurize with it, evaluate its head, report."""
    recipe, start = recipe_of(cfg), start_of(cfg)
    labels, size_hw = read_classes(cfg.train.classes).labels, start.backbone.size_hw
    with known_films(spark, cfg, output, small_copies(size_hw, labels)) as known:
        classes = choose_classes(known.ingested.images, cfg.train.classes)
        plan = FinetunePlan(cfg, recipe, start, known, classes, output)
        parted, named = _parted(plan)
        learners = choose_learners(parted, known.never, named, cfg)
        films = cached_films(spark, known.copies, learners.rows, size_hw, output)
    started = time.monotonic()
    trained = _trained(spark, plan, parted.labels, learners, films)
    seconds = time.monotonic() - started
    experiment = _tried(spark, plan, of_learners(parted, learners), trained)
    outcome = tell(spark, FinetuneResult(plan, learners, trained, experiment, seconds))
    for kept in (parted.rows, learners.rows):
        kept.unpersist()
    for name in (FILMS, CHECKPOINT):  # only a restart would need them
        output.remove(name)
    return outcome


def _parted(plan: FinetunePlan) -> tuple[Partition, DataFrame | None]:
    """Part the films of these classes, and say which validate if the split says so."""
    images = plan.known.ingested.images
    names = [name for name in columns(FEATURE_ROWS) if name != FEATURES]
    films = plan.classes.take(images).select(*names)
    parted = part(films, images, plan.classes.names, plan.known.cfg)
    return with_validation(parted, films, images, plan.known.cfg)


def _trained(
    spark: SparkSession,
    plan: FinetunePlan,
    labels: tuple[str, ...],
    learners: Learners,
    films: LearnerFilms,
) -> TrainedNetwork:
    """Train on films that are decoded and resized already, and bring what is left to --out."""
    task = Task(
        recipe=plan.recipe,
        backbone=plan.start.backbone,
        weights=plan.start.weights,
        labels=labels,
        train=films.train,
        val=films.val,
        folder=folder_of(plan.output),
        data=_data(plan, learners),
        films=_listed(plan, learners),
    )
    workers = plan.asked.finetune.workers
    trained = train_together(spark, task, workers, _say) if workers else train(task, _say)
    if not is_here(plan.output.address):
        for name in (WEIGHTS, HISTORY, SHEET):
            plan.output.write_bytes(name, (task.folder / name).read_bytes())
    return trained


def _data(plan: FinetunePlan, learners: Learners) -> str:
    """Say in a sentence which films the network has learned from; it travels with the weights."""
    ingest = plan.known.cfg.ingest
    described = datasets.get(ingest.dataset) if ingest.dataset else None
    names = ", ".join(Path(image).name for image in ingest.images)
    named = f"{described.title} ({described.licence})" if described else names
    return f"{learners.n_train:,} films that train and {learners.n_val:,} that validate, of {named}"


def _listed(plan: FinetunePlan, learners: Learners) -> bytes:
    """List the films that it learns from, beside those that it was trained on before."""
    before = film_list.lists_of(plan.start.weights) or ()
    return film_list.pack((*before, list_films(plan.known.ingested.images, learners.rows)))


def _say(line: str) -> None:
    LOG.info(f"{JOB}: {line}")


def _tried(
    spark: SparkSession, plan: FinetunePlan, parted: Partition, trained: TrainedNetwork
) -> TrainingRun:
    """Show all films to the network that has learned, and test the head that learned with it."""
    started, known, classes = time.monotonic(), plan.known, plan.classes
    wanted = with_weights(known.cfg, trained.weights).features
    made = featurize_cached(spark, wanted, known.ingested.images, plan.output)
    made = replace(made, rows=classes.take(made.rows))
    prepared = _prepared(made, parted).persist()
    try:
        head = trained_head(plan.recipe.head)
        trial = Trial(prepared, parted, known.ingested.images, made, known.cfg, plan.output)
        fitted = try_out(head, PortableModel(head, trained.head), trial, started)
    finally:
        prepared.unpersist()
    drawn = are_drawn(parted.rows)
    told = (plan.asked, known.cfg, drawn, known.ingested, made, fitted)
    return TrainingRun(JOB, SECTIONS, *told)


def _prepared(made: FeatureResult, parted: Partition) -> DataFrame:
    sides = F.broadcast(parted.rows.select(PATH, IS_TEST))
    rows = made.rows.join(sides, on=PATH, how="inner")
    return heads.prepare_rows(heads.settle(rows, made.numbers), parted.labels)
