"""Which films belong together by who is on them, what took them, and where; and whom we miss.

A film with a disease is missed where it is called normal: a film of several findings where the
model names none of them. That a sick film gets the name of another disease is an error of another
kind, and the figures of classes and findings have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.images.demographics import AGE_BANDS
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps, subgroup_gaps
from spark_cxr.model.findings import NO_FINDING
from spark_cxr.pipeline.finding_names import FindingNames
from spark_cxr.schemas import AGE, DEVICE, MAKER, PATH, SEX, SOURCE, VIEW

AGE_BAND = "age band"
OF_IMAGES = (AGE_BAND, SEX, MAKER, DEVICE)
"""What only the table of images knows of a film; sources and views stand in predictions too."""
PROPERTIES = (SOURCE, VIEW, *OF_IMAGES)
MOST = 12
"""Groups of one property that a report shows by themselves: devices may be many."""
OTHERS = "others"
DISEASE, ANY_FINDING = "disease", "findings"
"""What a missed film has, as a page calls it."""
Names = tuple[str | None, ...]
"""The group of each film by one property; None: not known."""


@dataclass(frozen=True)
class Subgroups:
    """The groups of each film, in the order of paths."""

    by: Mapping[str, Names] = field(default_factory=dict)
    """By property, of those of `PROPERTIES` that are known."""

    def several(self) -> dict[str, Names]:
        """Give the properties by which the films fall into more groups than one."""
        return {name: groups for name, groups in self.by.items() if len(set(groups) - {None}) > 1}

    def where(self, chosen: Sequence[bool]) -> Subgroups:
        """Take some of the films."""
        return Subgroups(
            {name: tuple(compress(groups, chosen)) for name, groups in self.by.items()}
        )

    def beside(self, sources: Sequence[str | None], views: Sequence[str | None]) -> Subgroups:
        """Put sources and views first, as predictions have them."""
        return Subgroups({SOURCE: tuple(sources), VIEW: tuple(views), **self.by})


def band_of(age: Column) -> Column:
    """Name the band of an age (`age_band`), as a column function."""
    band = F.lit(None).cast("string")
    for name, first in AGE_BANDS:
        band = F.when(age >= first, name).otherwise(band)
    return band


def with_band(images: DataFrame) -> DataFrame:
    """Add the age band to `schemas.IMAGES`."""
    return images.withColumn(AGE_BAND, band_of(F.col(AGE)))


def subgroups_of(predictions: DataFrame, images: DataFrame) -> Subgroups:
    """Look the films of a test up in the table of images: path by path, a few words for each.

    Args:
        predictions: Has the column `path`, once a film.
        images: `schemas.IMAGES`; films that it lacks belong to no group.
    """
    known = with_band(images).select(PATH, *OF_IMAGES)
    films = predictions.select(PATH).join(known, on=PATH, how="left").orderBy(PATH).toPandas()
    return Subgroups({name: common(list(films[name])) for name in OF_IMAGES})


def common(groups: Sequence[str | None], most: int = MOST) -> Names:
    """Keep the groups of the most films, and put all others together."""
    counts = Counter(name for name in groups if name is not None)
    if len(counts) <= most:
        return tuple(groups)
    kept = {name for name, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:most]}
    return tuple(name if name is None or name in kept else OTHERS for name in groups)


def normal_labels(labels: Sequence[str], normal: str = "") -> tuple[str, ...]:
    """Find the labels of films without disease: the one that is named, or those that are called so.

    Args:
        labels: Of the model.
        normal: One of them; empty: those that `conf/findings.toml` has as names of no finding.

    Raises:
        InputError: No label has that name.
    """
    if normal and normal not in labels:
        received = f"{normal}; the labels are {', '.join(labels)}"
        raise InputError("the label of films without disease", received, "Name one of them")
    names = FindingNames()
    return (normal,) if normal else tuple(each for each in labels if names.of(each) == NO_FINDING)


def missed_disease(
    truth: Sequence[str],
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str],
    subgroups: Subgroups,
    *,
    normal: str = "",
    seed: int = 0,
    resamples: int = 1000,
) -> SubgroupGaps | None:
    """Hold the share of sick films that are called normal in each group against that of the others.

    Args:
        truth: The true label of each film.
        probabilities: (films, labels).
        labels: The names of the columns.
        groups: Patient of each film.
        subgroups: Of the films, in the same order.
        normal: The label of films without disease; empty: as `normal_labels` finds it.
        seed: Of resampling and shuffling.
        resamples: How many.

    Returns:
        None where no label means normal, or all do, or the films are of one group by everything.

    Raises:
        InputError: `normal` is no label, or the arrays do not fit together.
    """
    healthy, parts = normal_labels(labels, normal), subgroups.several()
    if not parts or not healthy or len(healthy) == len(labels):
        return None
    is_normal = np.isin(labels, healthy)
    called = is_normal[np.argmax(np.asarray(probabilities, dtype=np.float64), axis=1)]
    is_sick = ~np.isin(truth, healthy)
    return subgroup_gaps(
        is_sick, called, groups, parts, label=DISEASE, seed=seed, resamples=resamples
    )


def missed_findings(
    truth: ArrayLike,
    probabilities: ArrayLike,
    thresholds: Sequence[float],
    groups: Sequence[str],
    subgroups: Subgroups,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> SubgroupGaps | None:
    """Hold the share of films with a finding of which none is named against that of other groups.

    Args:
        truth: (films, findings): 1, 0, or NaN where it is unknown.
        probabilities: (films, findings).
        thresholds: The operating point of each finding.
        groups: Patient of each film.
        subgroups: Of the films, in the same order.
        seed: Of resampling and shuffling.
        resamples: How many.
    """
    if not (parts := subgroups.several()):
        return None
    has_any = (np.asarray(truth, dtype=np.float64) == 1).any(axis=1)
    none_named = (np.asarray(probabilities, dtype=np.float64) < np.asarray(thresholds)).all(axis=1)
    return subgroup_gaps(
        has_any, none_named, groups, parts, label=ANY_FINDING, seed=seed, resamples=resamples
    )
