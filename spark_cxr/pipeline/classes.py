"""Labels → the classes to tell apart: all, some of them, or several labels as one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import ConfigError, InputError, few, nearest
from spark_cxr.schemas import LABEL

MOST = 12
"""Labels that an error names: a wrong column may have as many as there are films."""


@dataclass(frozen=True)
class Classes:
    """Which labels make up which class; without any, each label of the data is one."""

    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Give the classes in alphabetical order; empty where the data decide."""
        return tuple(sorted(name for name, _ in self.parts))

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the labels that are in any class; empty where the data decide."""
        return tuple(label for _, labels in self.parts for label in labels)

    def of(self, label: Column) -> Column:
        """Name the class of a label; null where it has none."""
        if not self.parts:
            return label
        name = F.lit(None).cast("string")
        for part, labels in self.parts:
            name = F.when(label.isin(*labels), F.lit(part)).otherwise(name)
        return name

    def take(self, rows: DataFrame) -> DataFrame:
        """Keep the rows of these classes, their label being the class."""
        return rows.withColumn(LABEL, self.of(F.col(LABEL))).where(F.col(LABEL).isNotNull())


def read_classes(words: tuple[str, ...]) -> Classes:
    """Read `COVID-19,other=Pneumonia+Normal`; a label may be in one class only."""
    parts = tuple(_part(word) for word in words)
    labels = [label for _, of in parts for label in of]
    for names, what in ((labels, "a label in one class"), ([n for n, _ in parts], "a class once")):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"{what} of --classes", f"{twice[0]} twice", "Leave one out")
    return Classes(parts)


def choose_classes(films: DataFrame, words: tuple[str, ...]) -> Classes:
    """Give the classes that were named, or one for each label of the films: two or more."""
    rows = films.select(LABEL).where(F.col(LABEL).isNotNull()).distinct().collect()
    return classes_among(sorted(row[LABEL] for row in rows), words)


def classes_among(found: Sequence[str], words: tuple[str, ...]) -> Classes:
    """Give the classes that were named, or one for each of these labels: two or more."""
    chosen = read_classes(words)
    for label in chosen.labels:
        if label not in found:
            raise InputError("--classes among the labels", label, nearest(label, found, MOST))
    classes = chosen if chosen.parts else Classes(tuple((label, (label,)) for label in found))
    if len(classes.parts) < 2:
        received = few(classes.names) or "no label"
        way_out = "Give a folder for each class, or --labels FILE.csv"
        raise InputError("at least two classes of images", received, way_out)
    return classes


def _part(word: str) -> tuple[str, tuple[str, ...]]:
    name, equals, labels = word.partition("=")
    parts = tuple(part.strip() for part in labels.split("+")) if equals else (name,)
    if not name.strip() or not all(parts):
        way_out = "Write NAME or NAME=LABEL+LABEL, with commas between"
        raise ConfigError("--classes by name", word, way_out)
    return name.strip(), parts
