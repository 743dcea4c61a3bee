"""Who learns: the training part of the split without the films that are not to be known, in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.pipeline.partition import Partition, people_of
from spark_cxr.pipeline.splits import IS_TEST, check_split, named_validation, split, with_values
from spark_cxr.schemas import GROUP, LABEL, PATH, SHA256
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
    """Films that would train, were they not known to the films that must not be."""

    @property
    def n_train(self) -> int:
        """Count the films that train."""
        return sum(train for train, _ in self.counts.values())

    @property
    def n_val(self) -> int:
        """Count the films that validate."""
        return sum(val for _, val in self.counts.values())


def with_validation(
    parted: Partition, films: DataFrame, images: DataFrame, cfg: Config
) -> tuple[Partition, DataFrame | None]:
    """Let the films learn that a split names for validation beside its test.

    Those known to others of the split, by their patient or a twin, are left out unless `crossing`
    is `keep`.

    Returns:
        The split with them, and their paths; None where the split names none.
    """
    by = cfg.train.split
    if cfg.train.test_images:
        return parted, None
    named = named_validation(with_values(films, images, by, cfg.ingest), by)
    if named is None:
        return parted, None
    if cfg.train.crossing != "keep":
        named = named.join(parted.rows.select(GROUP).distinct(), on=GROUP, how="left_anti")
    learn = named.withColumn(IS_TEST, F.lit(False)).select(parted.rows.columns)
    rows = parted.rows.unionByName(learn).persist()
    counts = check_split(rows)
    people = people_of(images.join(rows.select(PATH), on=PATH, how="left_semi"))
    found = replace(parted, rows=rows, counts=counts, people=people)
    left_out = parted.left_out + parted.n_train - found.n_train
    return replace(found, left_out=left_out), learn.select(PATH)


def choose_learners(
    parted: Partition, never: DataFrame | None, named: DataFrame | None, cfg: Config
) -> Learners:
    """Part the films that train once more, and leave out `never`.

    Args:
        parted: The split, with its test.
        never: `schemas.IMAGES` of films that nothing may be learned from, by any film of their
            patient or any twin either; None where there are none.
        named: The paths of those that validate; None: a share, by the hash of their patient.
        cfg: How large the validation is, and by what the films were split.
    """
    trained = parted.rows.where(~F.col(IS_TEST)).drop(IS_TEST)
    allowed = trained if never is None else _without(trained, never)
    if named is None:
        by = "image" if cfg.train.split == "image" else "patient"
        dealt = split(allowed, by, cfg.finetune.val_fraction, cfg.run.seed)
    else:
        marked = named.withColumn(IS_TEST, F.lit(True))
        dealt = allowed.join(marked, on=PATH, how="left").fillna(False, IS_TEST)
    side = F.when(F.col(IS_TEST), VAL).otherwise(TRAIN).alias(SIDE)
    number = _numbers(parted.labels)[F.col(LABEL)].alias(TARGET)
    rows = dealt.select(PATH, SHA256, LABEL, number, side).persist()
    counts = _counts(rows, parted.labels)
    return Learners(rows, counts, parted.n_train - sum(map(sum, counts.values())))


def of_learners(parted: Partition, learners: Learners) -> Partition:
    """Leave in a split, beside its test, the films that were learned from."""
    learned = learners.rows.select(PATH)
    kept = parted.rows.where(~F.col(IS_TEST)).join(learned, on=PATH, how="left_semi")
    rows = parted.rows.where(F.col(IS_TEST)).unionByName(kept)
    counts = {
        label: (sum(learners.counts[label]), tested) for label, (_, tested) in parted.counts.items()
    }
    return replace(parted, rows=rows, counts=counts)


def _without(trained: DataFrame, never: DataFrame) -> DataFrame:
    return trained.join(never.select(GROUP).distinct(), on=GROUP, how="left_anti")


def _numbers(labels: Sequence[str]) -> F.Column:
    return F.create_map(*(F.lit(x) for i, label in enumerate(labels) for x in (label, i)))


def _counts(dealt: DataFrame, labels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count, and refuse a class that has no film on one of the sides."""
    table = dealt.groupBy(LABEL).agg(
        F.count_if(F.col(SIDE) == TRAIN).alias(TRAIN), F.count_if(F.col(SIDE) == VAL).alias(VAL)
    )
    counts = {row[LABEL]: (row[TRAIN], row[VAL]) for row in table.collect()}
    bare = [label for label in labels if not all(counts.get(label, (0, 0)))]
    if bare:
        received = f"too few patients of {', '.join(bare)}"
        way_out = "Add images, change --val-fraction, or leave the class out with --classes"
        raise InputError("films of each class that train, and that validate", received, way_out)
    return counts
