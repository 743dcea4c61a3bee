"""Which films belong together by who is on them, what took them, and where: subgroups of a test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.images.demographics import AGE_BANDS
from spark_cxr.schemas import AGE, DEVICE, MAKER, PATH, SEX, SOURCE, VIEW

AGE_BAND = "age band"
OF_IMAGES = (AGE_BAND, SEX, MAKER, DEVICE)
"""What only the table of images knows of a film; sources and views stand in predictions too."""
PROPERTIES = (SOURCE, VIEW, *OF_IMAGES)
MOST = 12
"""Groups of one property that a report shows by themselves: devices may be many."""
OTHERS = "others"
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
