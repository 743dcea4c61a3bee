"""Films that train and films that test, the same for heads and networks; and this in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.metrics.wording import counted
from spark_cxr.pipeline.finding_counts import FindingTally, with_strata
from spark_cxr.pipeline.splits import (
    IS_TEST,
    check_crossing,
    check_split,
    column_of,
    count_sides,
    split,
    split_by_folder,
    with_values,
)
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Config, Train


@dataclass(frozen=True)
class People:
    """The patients of some films."""

    patients: int
    unnamed: int
    """Films that name no patient."""


@dataclass(frozen=True)
class SplitWords:
    """What was done, and what is true of patients there."""

    method: str
    """As in "split by patient"."""
    patients: str = ""
    """As in "no patient is known"; empty where `method` says all."""

    def __str__(self) -> str:
        """Give both as one phrase."""
        return ": ".join(filter(None, (self.method, self.patients)))


def people_of(images: DataFrame) -> People:
    """Count the patients of films (`schemas.IMAGES`), and the films that name none."""
    known = F.col("patient_id")
    counted_ = images.agg(F.count_distinct(known), F.count_if(known.isNull())).collect()[0]
    return People(*counted_)


def unit_of(by: str, people: People) -> str:
    """Name what really stays on one side of a split by `by`, as it follows "by"."""
    return "film" if by == "patient" and not people.patients else by


def split_words(by: str, people: People, shared: int, by_folder: bool = False) -> SplitWords:
    """Say how the test was set apart, and what is true of patients there.

    Args:
        by: As `--split` has it: patient, image, a CSV file, or column:NAME.
        people: The patients of the films that were split.
        shared: Test films whose patient or twin is in training.
        by_folder: The test films are those of `--test-images`; `by` does not matter then.
    """
    if by_folder:
        method = "test films given by --test-images"
    elif column := column_of(by):
        method = f"split by the column {column}"
    elif by.lower().endswith(".csv"):
        method = f"split as {PurePosixPath(by).name} says"
    else:
        method = f"split by {unit_of(by, people)}"
    if by == "patient" and not by_folder and people.patients:
        its = "counts as its own" if people.unnamed == 1 else "count as their own"
        alone = f"{counted(people.unnamed, 'film')} without a patient {its}"
        return SplitWords(method, alone if people.unnamed else "")
    return SplitWords(method, _across(people, shared))


def _across(people: People, shared: int) -> str:
    """Say whether a patient may be on both sides."""
    if not people.patients:
        twins = f", and {counted(shared, 'test film')} with a twin in training" if shared else ""
        return f"no patient is known{twins}"
    unnamed = f", and {counted(people.unnamed, 'film')} without one" if people.unnamed else ""
    if shared:
        return f"{counted(shared, 'test film')} with their patient or a twin in training{unnamed}"
    return f"no {'known ' if unnamed else ''}patient is on both sides{unnamed}"


@dataclass(frozen=True)
class Partition:
    """Films that train and films that test, without their vectors."""

    rows: DataFrame
    labels: tuple[str, ...]
    counts: Mapping[str, tuple[int, int]]
    """Of each label: how many train, and how many test."""
    left_out: int
    """Films to which the split gives no side."""
    people: People
    """The patients of the films on either side."""

    @property
    def n_train(self) -> int:
        """Count the films that train."""
        return sum(train for train, _ in self.counts.values())

    @property
    def n_test(self) -> int:
        """Count the films that test."""
        return sum(test for _, test in self.counts.values())


def part(films: DataFrame, images: DataFrame, labels: tuple[str, ...], cfg: Config) -> Partition:
    """Say who trains and who tests, and refuse what would be no test."""
    rows = _with_sides(films, images, cfg).persist()
    counts = check_split(rows, may_cross=_may_cross(cfg.train))
    return _partition(rows, films, images, labels, counts)


def part_findings(
    films: DataFrame, images: DataFrame, counts: Sequence[FindingTally], cfg: Config
) -> Partition:
    """Do the same with films of several findings, dealt out by the rarest of each.

    The labels of its rows, and the keys of its counts, are these strata.
    """
    rows = _with_sides(with_strata(films, counts, 2), images, cfg).persist()
    sides = count_sides(rows)
    if not _may_cross(cfg.train):
        check_crossing(rows)
    for which, what in enumerate(("trains", "tests")):
        if not sum(side[which] for side in sides.values()):
            way_out = "Change --split or --test-fraction"
            raise InputError(f"a film that {what}", "none", way_out)
    return _partition(rows, films, images, tuple(count.finding for count in counts), sides)


def _with_sides(films: DataFrame, images: DataFrame, cfg: Config) -> DataFrame:
    train = cfg.train
    if train.test_images:
        return split_by_folder(films, train.test_images, train.crossing)
    valued = with_values(films, images, train.split, cfg.ingest)
    return split(valued, train.split, train.test_fraction, cfg.run.seed, train.crossing)


def _may_cross(train: Train) -> bool:
    return train.split == "image" or train.crossing == "keep"


def _partition(
    rows: DataFrame,
    films: DataFrame,
    images: DataFrame,
    labels: tuple[str, ...],
    counts: Mapping[str, tuple[int, int]],
) -> Partition:
    left_out = films.count() - sum(map(sum, counts.values()))
    people = people_of(images.join(rows.select(PATH), on=PATH, how="left_semi"))
    return Partition(rows, labels, counts, left_out, people)


def fingerprint(rows: DataFrame) -> str:
    """Name the data by its content: same images, labels and split, same name, in any order."""
    lot = F.xxhash64("sha256", LABEL, IS_TEST)
    value = rows.agg(F.bit_xor(lot).alias("print")).collect()[0]["print"]
    return f"{value & (2**64 - 1):016x}"
