"""The side on which the publisher of a data set has put each film."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.datasets import Dataset
from spark_cxr.pipeline.label_file import read_csv
from spark_cxr.pipeline.label_match import match
from spark_cxr.pipeline.labels import dataset_of, label_file, sets_of
from spark_cxr.pipeline.sources import is_below
from spark_cxr.schemas import LABEL, LABELS, PATH
from spark_cxr.settings import Ingest

SPLIT = "split"
"""The column that says train, val or test."""


def official_split(images: DataFrame, settings: Ingest) -> DataFrame | None:
    """Give path and `split` of the films whose data set has an official split.

    Args:
        images: The films.
        settings: Name the data sets.

    Returns:
        None where no data set says how it is split by folder or by lists of names; a column
        `split` of the label file is not looked for.
    """
    sets, found = sets_of(settings), []
    for one in sets:
        films = images.where(is_below(one.images[0])) if len(sets) > 1 else images
        dataset = dataset_of(one)
        if dataset.split_regex:
            side = F.regexp_extract(F.lower(PATH), dataset.split_regex, 1)
            found.append(films.select(PATH, F.when(side != "", side).alias(SPLIT)))
        elif dataset.split_lists:
            found.append(_by_lists(films, dataset, one))
    return reduce(DataFrame.unionByName, found) if found else None


def _by_lists(films: DataFrame, dataset: Dataset, settings: Ingest) -> DataFrame:
    """Find the films that lists of file names name, each list a side."""
    sides = []
    for name, side in dataset.split_lists:
        rows = read_csv(films.sparkSession, label_file(name, settings.images), header=("key",))
        sides.append(rows.select(F.trim("key").alias("key"), F.lit(side).alias(LABEL)))
    rows = films.sparkSession.createDataFrame([], LABELS)
    for named in sides:
        rows = rows.unionByName(named, allowMissingColumns=True)
    return match(films, rows).select(PATH, F.col(LABEL).alias(SPLIT))
