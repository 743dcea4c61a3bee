"""Films that train and films that test: the same split for heads and for networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.pipeline.split_values import with_values
from spark_cxr.pipeline.split_words import People, people_of
from spark_cxr.pipeline.splits import IS_TEST, check_split, split, split_by_folder
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Config


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
    train = cfg.train
    if train.test_images:
        rows = split_by_folder(films, train.test_images, train.crossing)
    else:
        valued = with_values(films, images, train.split, cfg.ingest)
        rows = split(valued, train.split, train.test_fraction, cfg.run.seed, train.crossing)
    rows = rows.persist()
    counts = check_split(rows, may_cross=train.split == "image" or train.crossing == "keep")
    left_out = films.count() - sum(map(sum, counts.values()))
    people = people_of(images.join(rows.select(PATH), on=PATH, how="left_semi"))
    return Partition(rows, labels, counts, left_out, people)


def fingerprint(rows: DataFrame) -> str:
    """Name the data by its content: same images, labels and split, same name, in any order."""
    lot = F.xxhash64("sha256", LABEL, IS_TEST)
    value = rows.agg(F.bit_xor(lot).alias("print")).collect()[0]["print"]
    return f"{value & (2**64 - 1):016x}"
