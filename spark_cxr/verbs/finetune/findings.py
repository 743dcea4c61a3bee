"""One fine-tuning of several findings a film: a sigmoid for each, over what is known of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.heads.portable import FindingHeads
from spark_cxr.images.fit import Fit
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.classes import Classes
from spark_cxr.pipeline.data_summary import are_drawn
from spark_cxr.pipeline.finding_counts import FindingTally, count_findings, enough_of
from spark_cxr.pipeline.finding_heads import FittedFindings, prepare_findings
from spark_cxr.pipeline.finding_trial import try_out_findings
from spark_cxr.pipeline.heads import settle
from spark_cxr.pipeline.held_out import answers_of_findings
from spark_cxr.pipeline.partition import Partition, part_findings
from spark_cxr.pipeline.point_settings import point_settings
from spark_cxr.pipeline.reading import small_copies
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.pipeline.trial import FindingsRun, Trial
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, FINDINGS, PATH, columns
from spark_cxr.settings import FLAGS_OF, Config
from spark_cxr.training.loop import CHECKPOINT
from spark_cxr.training.task import TrainedNetwork
from spark_cxr.verbs.finetune.films import (
    FILMS,
    LearnerFilms,
    cached_films,
    featurize_cached,
    films_to_learn,
)
from spark_cxr.verbs.finetune.head import PortableFindings, trained_head
from spark_cxr.verbs.finetune.learners import (
    Learners,
    choose_finding_learners,
    of_learners,
    validated_decision,
)
from spark_cxr.verbs.finetune.request import recipe_of, start_of, with_weights
from spark_cxr.verbs.finetune.results import FinetunePlan, FinetuneResult, write_results

JOB = "finetune"
TrainNetwork = Callable[
    [SparkSession, FinetunePlan, tuple[str, ...], Learners, LearnerFilms], TrainedNetwork
]


@dataclass(frozen=True)
class _Lessons:
    """What is learned, and what there is too little of."""

    trained: tuple[FindingTally, ...]
    left_out: tuple[FindingTally, ...]

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(each.finding for each in self.trained)


def finetune_findings(
    spark: SparkSession, cfg: Config, output: Output, train: TrainNetwork
) -> Outcome:
    """Ingest, split, train the network, featurize with it, evaluate its heads, report.

    Args:
        spark: The session.
        cfg: With findings.
        output: Where all of it goes.
        train: Trains the network on cached films, here or on Spark's executors.
    """
    recipe, start, points = recipe_of(cfg), start_of(cfg), point_settings(cfg.train)
    size_hw = start.backbone.size_hw
    fit = Fit(size_hw, see=start.backbone.see)
    with films_to_learn(spark, cfg, output, small_copies(fit, ())) as films:
        plan = FinetunePlan(cfg, recipe, start, films, Classes(), output)
        partition = _partition(plan)
        lessons = _lessons(partition, cfg.train.least_positives)
        points.of(lessons.findings)
        learners = choose_finding_learners(partition, films.never, lessons.findings, cfg)
        cached = cached_films(spark, films.copies, learners.rows, size_hw, output)
    started = time.monotonic()
    trained = train(spark, plan, lessons.findings, learners, cached)
    seconds = time.monotonic() - started
    run = _tested(spark, plan, of_learners(partition, learners), learners, lessons, trained)
    outcome = write_results(spark, FinetuneResult(plan, learners, trained, run, seconds))
    for kept in (partition.rows, learners.rows):
        kept.unpersist()
    for name in (FILMS, CHECKPOINT):  # only a restart would need them
        output.remove(name)
    return outcome


def _partition(plan: FinetunePlan) -> Partition:
    """Split the films of which any finding is known."""
    images, cfg = plan.films.ingested.images, plan.films.cfg
    names = [name for name in columns(FEATURE_ROWS) if name != FEATURES]
    films = images.where(F.size(FINDINGS) > 0).select(*names, FINDINGS)
    counts = enough_of(count_findings(films), cfg.train.least_positives)
    return part_findings(films, images, counts, cfg)


def _lessons(partition: Partition, least: int) -> _Lessons:
    counts = count_findings(partition.rows.where(~F.col(IS_TEST)))
    trained = enough_of(counts, least)
    return _Lessons(trained, tuple(count for count in counts if count not in trained))


def _tested(
    spark: SparkSession,
    plan: FinetunePlan,
    partition: Partition,
    learners: Learners,
    lessons: _Lessons,
    trained: TrainedNetwork,
) -> FindingsRun:
    """Featurize all films with the trained network, and test the heads trained with it."""
    started, cfg, ingested = time.monotonic(), plan.films.cfg, plan.films.ingested
    wanted = with_weights(cfg, trained.weights).features
    features = featurize_cached(spark, wanted, ingested.images, plan.output)
    # Films that were weighed in training were so that both answers count the same.
    balance = cfg.finetune.balance_by == "weights"
    cfg = replace(cfg, train=replace(cfg.train, balance=balance))
    prepared = _prepared(features.rows, partition.rows, features.numbers).persist()
    try:
        heads = cast(FindingHeads, trained.head)
        model = PortableFindings(trained_head(plan.recipe.head), heads)
        trial = Trial(prepared, partition, ingested.images, features, cfg, plan.output)
        found = FittedFindings(model, {})
        early = cast(FindingHeads, trained.first_head or trained.head)
        first = PortableFindings(trained_head(plan.recipe.head), early)
        step = validated_decision(
            lambda rows: answers_of_findings(first.transform(rows), lessons.findings),
            *(prepared, learners, lessons.findings, cfg),
        )
        result = try_out_findings(
            model.head, found, trial, lessons.trained, lessons.left_out, started, step=step
        )
    finally:
        prepared.unpersist()
    sections, drawn = FLAGS_OF[JOB], are_drawn(partition.rows)
    return FindingsRun(JOB, sections, plan.command, cfg, drawn, ingested, features, result)


def _prepared(vectors: DataFrame, films: DataFrame, numbers: int) -> DataFrame:
    sides = F.broadcast(films.select(PATH, IS_TEST, FINDINGS))
    return prepare_findings(settle(vectors.join(sides, on=PATH, how="inner"), numbers))
