"""The films that train and validate: the training part of a split, without those of --never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.pipeline.decisions import decides, learn_decision
from spark_cxr.pipeline.held_out import HeldOut, drawn
from spark_cxr.pipeline.partition import Partition, people_of
from spark_cxr.pipeline.splits import IS_TEST, check_split, named_validation, split, with_values
from spark_cxr.pipeline.trial import UNDECIDED, DecisionStep
from spark_cxr.schemas import FINDINGS, GROUP, LABEL, PATH, SHA256
from spark_cxr.settings import Config

SIDE = "side"
TRAIN, VAL = "train", "val"
TARGET = "target"


@dataclass(frozen=True)
class Learners:
    """Films that train and films that validate."""

    rows: DataFrame
    """path, sha256, label, target (its number among the classes) and side; kept in memory."""
    counts: Mapping[str, tuple[int, int]]
    """Of each label: how many train, and how many validate."""
    kept_out: int
    """Films that would train, but share their patient or a twin with a film of `--never`."""

    @property
    def n_train(self) -> int:
        """Count the films that train."""
        return sum(train for train, _ in self.counts.values())

    @property
    def n_val(self) -> int:
        """Count the films that validate."""
        return sum(val for _, val in self.counts.values())


def with_validation(
    partition: Partition, films: DataFrame, images: DataFrame, cfg: Config
) -> tuple[Partition, DataFrame | None]:
    """Add to the training films those that a split names for validation.

    Those that share their patient or a twin with others of the split are left out, unless
    `crossing` is `keep`.

    Returns:
        The split with them, and their paths; None where the split names none.
    """
    by = cfg.train.split
    if cfg.train.test_images:
        return partition, None
    named = named_validation(with_values(films, images, by, cfg.ingest), by)
    if named is None:
        return partition, None
    if cfg.train.crossing != "keep":
        named = named.join(partition.rows.select(GROUP).distinct(), on=GROUP, how="left_anti")
    learn = named.withColumn(IS_TEST, F.lit(False)).select(partition.rows.columns)
    rows = partition.rows.unionByName(learn).persist()
    counts = check_split(rows)
    people = people_of(images.join(rows.select(PATH), on=PATH, how="left_semi"))
    found = replace(partition, rows=rows, counts=counts, people=people)
    left_out = partition.left_out + partition.n_train - found.n_train
    return replace(found, left_out=left_out), learn.select(PATH)


def choose_learners(
    partition: Partition, never: DataFrame | None, named: DataFrame | None, cfg: Config
) -> Learners:
    """Split the films that train once more, and leave out `never`.

    Args:
        partition: The split, with its test.
        never: `schemas.IMAGES` of films from which nothing may be learned, nor from any film of
            their patients or any twin; None where there are none.
        named: The paths of those that validate; None: a share, by the hash of their patient.
        cfg: The size of the validation, and by what the films were split.
    """
    allowed = _allowed(partition, never)
    if named is None:
        by = "image" if cfg.train.split == "image" else "patient"
        divided = split(allowed, by, cfg.finetune.val_fraction, cfg.run.seed)
    else:
        marked = named.withColumn(IS_TEST, F.lit(True))
        divided = allowed.join(marked, on=PATH, how="left").fillna(False, IS_TEST)
    side = F.when(F.col(IS_TEST), VAL).otherwise(TRAIN).alias(SIDE)
    numbers = (F.lit(x) for i, label in enumerate(partition.labels) for x in (label, i))
    number = F.create_map(*numbers)[F.col(LABEL)].alias(TARGET)
    rows = divided.select(PATH, SHA256, LABEL, number, side).persist()
    counts = _counts(rows, partition.labels)
    return Learners(rows, counts, partition.n_train - sum(map(sum, counts.values())))


def choose_finding_learners(
    partition: Partition, never: DataFrame | None, findings: Sequence[str], cfg: Config
) -> Learners:
    """Do the same with films of findings: those that validate are dealt out by their strata.

    Args:
        partition: The split; the labels of its rows are strata.
        never: As in `choose_learners`.
        findings: What is learned; a film of which none of these is known is left out.
        cfg: The size of the validation, and by what the films were split.
    """
    numbers = [F.coalesce(F.col(FINDINGS)[name].cast("int"), F.lit(-1)) for name in findings]
    target = F.array(*numbers)
    allowed = _allowed(partition, never)
    known = allowed.where(F.array_max(target) >= 0)
    by = "image" if cfg.train.split == "image" else "patient"
    divided = split(known, by, cfg.finetune.val_fraction, cfg.run.seed)
    side = F.when(F.col(IS_TEST), VAL).otherwise(TRAIN).alias(SIDE)
    rows = divided.select(PATH, SHA256, LABEL, target.alias(TARGET), side).persist()
    table = rows.groupBy(LABEL).agg(
        F.count_if(F.col(SIDE) == TRAIN).alias(TRAIN), F.count_if(F.col(SIDE) == VAL).alias(VAL)
    )
    found = {row[LABEL]: (row[TRAIN], row[VAL]) for row in table.collect()}
    counts = {stratum: found.get(stratum, (0, 0)) for stratum in partition.counts}
    kept_out = 0 if never is None else partition.n_train - allowed.count()
    return Learners(rows, counts, kept_out)


def _allowed(partition: Partition, never: DataFrame | None) -> DataFrame:
    """Give the films that train, without the patients and twins of films of `--never`."""
    trained = partition.rows.where(~F.col(IS_TEST)).drop(IS_TEST)
    if never is None:
        return trained
    return trained.join(never.select(GROUP).distinct(), on=GROUP, how="left_anti")


def of_learners(partition: Partition, learners: Learners) -> Partition:
    """Leave in a split, beside its test, only the films that train or validate."""
    kept = partition.rows.where(~F.col(IS_TEST))
    kept = kept.join(learners.rows.select(PATH), on=PATH, how="left_semi")
    rows = partition.rows.where(F.col(IS_TEST)).unionByName(kept)
    counts = {
        label: (sum(learners.counts[label]), tested)
        for label, (_, tested) in partition.counts.items()
    }
    return replace(partition, rows=rows, counts=counts)


def validated_decision(
    answers: Callable[[DataFrame], HeldOut],
    prepared: DataFrame,
    learners: Learners,
    labels: Sequence[str],
    cfg: Config,
) -> DecisionStep:
    """Learn how to decide from the films that validate.

    They have chosen the best epoch, and nothing else was learned from them.

    Args:
        answers: Says what a head that has not learned from films makes of them.
        prepared: All films with their vectors, as heads take them.
        learners: Which of them validate.
        labels: Those of the model.
        cfg: What is wanted.
    """
    if not decides(cfg.train):
        return UNDECIDED
    validate = learners.rows.where(F.col(SIDE) == VAL).select(PATH)
    films = prepared.join(F.broadcast(validate), on=PATH, how="left_semi")
    held_out = answers(drawn(films, learners.n_val, cfg.run.seed))
    return learn_decision(held_out, labels, cfg.train, cfg.run.seed)


def _counts(divided: DataFrame, labels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count, and refuse a class that has no film on one of the sides."""
    table = divided.groupBy(LABEL).agg(
        F.count_if(F.col(SIDE) == TRAIN).alias(TRAIN), F.count_if(F.col(SIDE) == VAL).alias(VAL)
    )
    counts = {row[LABEL]: (row[TRAIN], row[VAL]) for row in table.collect()}
    missing = [label for label in labels if not all(counts.get(label, (0, 0)))]
    if missing:
        received = f"too few patients of {few(missing)}"
        way_out = "Add images, change --val-fraction, or leave the class out with --classes"
        raise InputError("films of each class that train, and that validate", received, way_out)
    return counts
