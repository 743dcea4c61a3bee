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
from spark_cxr.images.fit import Fit
from spark_cxr.output import Outcome, Output, is_here
from spark_cxr.pipeline import heads
from spark_cxr.pipeline.classes import choose_classes, read_classes
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.evaluate import list_films
from spark_cxr.pipeline.held_out import answers_of_classes
from spark_cxr.pipeline.model_directory import try_out
from spark_cxr.pipeline.partition import Partition, part
from spark_cxr.pipeline.point_settings import point_settings
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.reading import small_copies
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import TrainingRun, Trial
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, PATH, columns
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.training.loop import CHECKPOINT, HISTORY, SHEET, WEIGHTS, train
from spark_cxr.training.task import Task, TrainedNetwork
from spark_cxr.verbs.finetune.distributed import train_together
from spark_cxr.verbs.finetune.films import (
    FILMS,
    LearnerFilms,
    cached_films,
    featurize_cached,
    films_to_learn,
)
from spark_cxr.verbs.finetune.findings import JOB, finetune_findings
from spark_cxr.verbs.finetune.head import PortableModel, trained_head
from spark_cxr.verbs.finetune.learners import (
    Learners,
    choose_learners,
    of_learners,
    validated_decision,
    with_validation,
)
from spark_cxr.verbs.finetune.request import recipe_of, start_of, with_weights
from spark_cxr.verbs.finetune.results import FinetunePlan, FinetuneResult, folder_of, write_results

LOG = logging.getLogger(__name__)

SECTIONS = FLAGS_OF[JOB]


def finetune(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, split, train the network, featurize with it, evaluate its head, report."""
    if cfg.ingest.findings:
        return finetune_findings(spark, cfg, output, _trained)
    recipe, start = recipe_of(cfg), start_of(cfg)
    labels, size_hw = read_classes(cfg.train.classes).labels, start.backbone.size_hw
    fit = Fit(size_hw, see=start.backbone.see)
    points = point_settings(cfg.train)
    with films_to_learn(spark, cfg, output, small_copies(fit, labels)) as films:
        classes = choose_classes(films.ingested.images, cfg.train.classes)
        plan = FinetunePlan(cfg, recipe, start, films, classes, output)
        points.of(classes.names)
        partition, named = _partition(plan)
        learners = choose_learners(partition, films.never, named, cfg)
        cached = cached_films(spark, films.copies, learners.rows, size_hw, output)
    started = time.monotonic()
    trained = _trained(spark, plan, partition.labels, learners, cached)
    seconds = time.monotonic() - started
    run = _tested(spark, plan, of_learners(partition, learners), learners, trained)
    outcome = write_results(spark, FinetuneResult(plan, learners, trained, run, seconds))
    for kept in (partition.rows, learners.rows):
        kept.unpersist()
    for name in (FILMS, CHECKPOINT):  # only a restart would need them
        output.remove(name)
    return outcome


def _partition(plan: FinetunePlan) -> tuple[Partition, DataFrame | None]:
    """Split the films of these classes, and give those that validate where the split names them."""
    images, cfg = plan.films.ingested.images, plan.films.cfg
    names = [name for name in columns(FEATURE_ROWS) if name != FEATURES]
    films = plan.classes.take(images).select(*names)
    return with_validation(part(films, images, plan.classes.names, cfg), films, images, cfg)


def _trained(
    spark: SparkSession,
    plan: FinetunePlan,
    labels: tuple[str, ...],
    learners: Learners,
    films: LearnerFilms,
) -> TrainedNetwork:
    """Train on films that are decoded and resized already, and bring the results to --out."""
    lists = (
        *(film_list.lists_of(plan.start.weights) or ()),
        list_films(plan.films.ingested.images, learners.rows),
    )
    task = Task(
        recipe=plan.recipe,
        backbone=plan.start.backbone,
        weights=plan.start.weights,
        labels=labels,
        train=films.train,
        val=films.val,
        folder=folder_of(plan.output),
        data=_data(plan, learners),
        of_findings=bool(plan.command.ingest.findings),
        films=film_list.pack(lists),
    )
    stage("training the network")
    workers = plan.command.finetune.workers
    trained = train_together(spark, task, workers, _say) if workers else train(task, _say)
    if not is_here(plan.output.address):
        for name in (WEIGHTS, HISTORY, SHEET):
            plan.output.write_bytes(name, (task.folder / name).read_bytes())
    return trained


def _data(plan: FinetunePlan, learners: Learners) -> str:
    """Say in a sentence which films trained the network; it travels with the weights."""
    ingest = plan.films.cfg.ingest
    known = [f"{each.title} ({each.licence})" for each in datasets.get_all(ingest.dataset)]
    named = ", ".join(known or [Path(image).name for image in ingest.images])
    return f"{learners.n_train:,} films that train and {learners.n_val:,} that validate, of {named}"


def _say(line: str) -> None:
    LOG.info(f"{JOB}: {line}")


def _tested(
    spark: SparkSession,
    plan: FinetunePlan,
    partition: Partition,
    learners: Learners,
    trained: TrainedNetwork,
) -> TrainingRun:
    """Featurize all films with the trained network, and test the head that was trained with it."""
    started, cfg, ingested = time.monotonic(), plan.films.cfg, plan.films.ingested
    wanted = with_weights(cfg, trained.weights).features
    features = featurize_cached(spark, wanted, ingested.images, plan.output)
    features = replace(features, rows=plan.classes.take(features.rows))
    sides = F.broadcast(partition.rows.select(PATH, IS_TEST))
    rows = heads.settle(features.rows.join(sides, on=PATH, how="inner"), features.numbers)
    prepared = heads.prepare_rows(rows, partition.labels).persist()
    try:
        head = trained_head(plan.recipe.head)
        trial = Trial(prepared, partition, ingested.images, features, cfg, plan.output)
        first = PortableModel(head, trained.first_head or trained.head)
        step = validated_decision(
            lambda rows: answers_of_classes(first.transform(rows), len(partition.labels)),
            *(prepared, learners, partition.labels, cfg),
        )
        result = try_out(head, PortableModel(head, trained.head), trial, started, step=step)
    finally:
        prepared.unpersist()
    drawn = are_drawn(partition.rows)
    return TrainingRun(JOB, SECTIONS, plan.command, cfg, drawn, ingested, features, result)
