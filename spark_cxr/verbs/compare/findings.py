"""Networks and heads compared on several findings: each film is tested by heads not taught it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import PurePosixPath

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.heads import catalog as heads
from spark_cxr.heads.catalog import Head
from spark_cxr.output import Output
from spark_cxr.pipeline.features import FeatureResult
from spark_cxr.pipeline.finding_counts import (
    FindingTally,
    count_findings,
    enough_of,
    with_strata,
)
from spark_cxr.pipeline.finding_heads import (
    finding_predictions,
    fit_findings,
    prepare_findings,
)
from spark_cxr.pipeline.finding_trial import (
    FindingPredictions,
    operating_points,
    predictions_of_findings,
)
from spark_cxr.pipeline.heads import HeadRecipe, settle
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.partition import People, people_of
from spark_cxr.pipeline.progress import stage
from spark_cxr.pipeline.splits import FOLD, can_cross, check_folds
from spark_cxr.schemas import FEATURES, FINDINGS, GROUP, LABEL, PATH, SOURCE, TEST_FINDINGS
from spark_cxr.settings import Config
from spark_cxr.verbs.compare.films import compared_films, count_shared_in_folds, folds_of
from spark_cxr.verbs.compare.sources import (
    finding_folds,
    finding_sources,
    missing_figure,
    sources_apart,
    with_splits,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FindingsEntrant:
    """One head on the vectors of one network, tested on the films of all folds together."""

    backbone: str
    head: str
    answers: FindingPredictions
    seconds: float
    """Of all its fits together, side by side or not."""
    table: str
    """Of its answers."""

    @property
    def name(self) -> str:
        """Name it for people."""
        return f"{PurePosixPath(self.backbone).stem}-{self.head}"

    def with_subgroups(self, spark: SparkSession, images: DataFrame) -> FindingPredictions:
        """Give its answers with all that the table of images knows of the films."""
        predictions = spark.read.schema(TEST_FINDINGS).parquet(self.table)
        thresholds = dict(zip(self.answers.findings, self.answers.thresholds, strict=True))
        return predictions_of_findings(predictions, thresholds, images)


@dataclass(frozen=True)
class FindingEntrants:
    """All that a comparison of several findings has found."""

    command: Config
    cfg: Config
    ingested: IngestResult
    featurized: tuple[tuple[str, FeatureResult], ...]
    entrants: tuple[FindingsEntrant, ...]
    counts: tuple[FindingTally, ...]
    left_out: tuple[FindingTally, ...]
    by: str
    """What the folds keep together."""
    shared: int
    """Films tested with their patient or a twin in training."""
    people: People
    alone: Mapping[str, str] = field(default_factory=dict)
    """Findings that folds by source cannot test, and why."""
    missing: str = ""
    """Which figure could be had, where the folds are others."""


def compare_findings(spark: SparkSession, cfg: Config, output: Output) -> FindingEntrants:
    """Ingest once, featurize once a network, and fit each head for each finding on each fold."""
    given, cfg = cfg, with_splits(cfg, ())
    by = min(cfg.compare.splits, key=lambda by: (by == "image", by != SOURCE))
    cfg, ingested, vectors = compared_films(spark, cfg, output)
    images = ingested.images
    films = vectors[-1][1].rows.drop(FEATURES)
    films = films.join(images.select(PATH, FINDINGS), on=PATH, how="inner")
    films = films.where(F.size(FINDINGS) > 0)
    counts = count_findings(films)
    compared, alone = enough_of(counts, cfg.train.least_positives), dict[str, str]()
    if by == SOURCE:
        alone = finding_sources(films, [each.finding for each in compared])
        compared = testable(compared, alone)
    cfg, by_path = _dealt(films, images, compared, by, cfg, output)
    folded = by_path.join(films.select(PATH, FINDINGS), on=PATH, how="inner")
    entrants, shared = list[FindingsEntrant](), 0
    for backbone, features in vectors:
        rows = _prepared(features, folded).persist()
        if can_cross(by) and by != SOURCE and cfg.train.crossing == "error":
            check_folds(rows)
        for name in cfg.compare.heads:
            stage(f"training {name} on {backbone}")
            entrant = _entrant(backbone, heads.get(name), rows, compared, by, cfg, output)
            entrants.append(entrant)
            LOG.info(f"compare: {entrant.name}, {entrant.seconds:.1f} s")
        # Folds by source leave those out of the training.
        shared = 0 if by == SOURCE else count_shared_in_folds(rows)
        rows.unpersist()
    left_out = tuple(c for c in counts if c not in compared and c.finding not in alone)
    people = people_of(images.join(films.select(PATH), on=PATH, how="left_semi"))
    labelled = films.withColumn(LABEL, F.lit("findings"))
    missing = "" if by == SOURCE else missing_figure(sources_apart(labelled, least=1))
    done = (given, cfg, ingested, tuple(vectors), tuple(entrants), compared, left_out, by, shared)
    return FindingEntrants(*done, people, alone, missing)


def _dealt(
    films: DataFrame,
    images: DataFrame,
    compared: Sequence[FindingTally],
    by: str,
    cfg: Config,
    output: Output,
) -> tuple[Config, DataFrame]:
    """Give each film its fold, and settings with as many folds as there are."""
    if by != SOURCE:
        strata = with_strata(films, compared, cfg.compare.folds)
        return cfg, folds_of(strata, images, by, cfg, output)
    by_path, sources = finding_folds(films, output)
    return replace(cfg, compare=replace(cfg.compare, folds=len(sources))), by_path


def testable(counts: Sequence[FindingTally], alone: Mapping[str, str]) -> tuple[FindingTally, ...]:
    """Keep the findings that every source can test by what the others have.

    Raises:
        InputError: There is none.
    """
    found = tuple(each for each in counts if each.finding not in alone)
    if not found:
        received = "; ".join(f"{name}: {reason}" for name, reason in alone.items())
        way_out = "Add films of other sources, or take --splits patient"
        raise InputError("a finding that comes from two sources", received, way_out)
    return found


def _prepared(features: FeatureResult, folded: DataFrame) -> DataFrame:
    rows = features.rows.join(F.broadcast(folded), on=PATH, how="inner")
    return prepare_findings(settle(rows, features.numbers))


def _entrant(
    backbone: str,
    head: Head,
    rows: DataFrame,
    counts: Sequence[FindingTally],
    by: str,
    cfg: Config,
    output: Output,
) -> FindingsEntrant:
    started = time.monotonic()
    scored = _scored(head, rows, counts, by, cfg).persist()
    try:
        points = operating_points(counts, cfg.train.balance)
        name = f"{PurePosixPath(backbone).stem}-{head.name}-by-{by.replace(':', '-')}"
        output.write_table(finding_predictions(scored, points, name), f"predictions/{name}")
        seconds = time.monotonic() - started
        table = output.table(f"predictions/{name}")
        predictions = rows.sparkSession.read.schema(TEST_FINDINGS).parquet(table)
        answers = predictions_of_findings(predictions, points)
        return FindingsEntrant(backbone, head.name, answers, seconds, table)
    finally:
        scored.unpersist()


def _scored(
    head: Head, rows: DataFrame, counts: Sequence[FindingTally], by: str, cfg: Config
) -> DataFrame:
    """Fit on all folds but one and score that one, for each in turn."""
    drop = by == SOURCE or (can_cross(by) and cfg.train.crossing == "drop")
    recipe = HeadRecipe(cfg.run.seed, balance=cfg.train.balance)
    wanted = {each.finding for each in counts}

    def fold(number: int) -> DataFrame:
        trained, tested = rows.where(F.col(FOLD) != number), rows.where(F.col(FOLD) == number)
        if drop:
            groups = tested.select(GROUP).distinct()
            trained = trained.join(F.broadcast(groups), on=GROUP, how="left_anti")
        there = [c for c in enough_of(count_findings(trained), 1) if c.finding in wanted]
        if len(there) < len(wanted):
            missing = ", ".join(sorted(wanted - {each.finding for each in there}))
            way_out = "Raise --least-positives, or ask for fewer folds"
            raise InputError("films with and without each finding in all folds", missing, way_out)
        dim = len(trained.first()[FEATURES])
        fitted = fit_findings(head, trained, there, recipe, dim, 1)
        return fitted.model.transform(tested).drop(FEATURES)

    with ThreadPoolExecutor(cfg.train.parallelism) as threads:
        return reduce(DataFrame.unionByName, threads.map(fold, range(cfg.compare.folds)))
