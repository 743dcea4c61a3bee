"""Vectors, and what was made of them → the map of a network's vectors: few films, by lot."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.first_look import NO_LABEL
from spark_cxr.metrics.vector_map import VectorMap, vector_map
from spark_cxr.pipeline.reading import lot_of
from spark_cxr.schemas import FEATURES, LABEL, PATH, SHA256, SOURCE

MOST = 800
"""Films of a map: its time grows with their square, to five seconds of a core for these."""
MOST_NUMBERS = 2**24
"""Of their vectors, all of which are on the driver."""


def map_of_vectors(
    vectors: DataFrame, predictions: DataFrame, dim: int, seed: int, *, backbone: str, head: str
) -> VectorMap:
    """Map some films of a test; the lots, and so the films, are the same for every network.

    Args:
        vectors: path, features.
        predictions: `schemas.TEST_PREDICTIONS`, those of the best head on them.
        dim: Numbers of a vector.
        seed: Of the lots.
        backbone: The network, as the page names it.
        head: The head, as the page names it.
    """
    tested = predictions.select(PATH, SHA256, LABEL, SOURCE, "prediction")
    drawn = _drawn(tested, dim, seed)
    both = vectors.select(PATH, FEATURES).join(F.broadcast(drawn), on=PATH, how="inner")
    return _mapped(both, predictions.count(), backbone=backbone, head=head)


def map_of_films(vectors: DataFrame, dim: int, seed: int, *, backbone: str) -> VectorMap:
    """Map some films that nothing has been tested on: `vectors` are `schemas.FEATURE_ROWS`."""
    return _mapped(_drawn(vectors, dim, seed), vectors.count(), backbone=backbone, head="")


def _drawn(films: DataFrame, dim: int, seed: int) -> DataFrame:
    """Draw films by lot, as many as a map takes."""
    most = max(1, min(MOST, MOST_NUMBERS // dim))
    return films.orderBy(lot_of(seed, F.col(SHA256)), PATH).limit(most)


def _mapped(films: DataFrame, count: int, *, backbone: str, head: str) -> VectorMap:
    rows = films.toPandas().sort_values(PATH)
    sources = [None if source is None else str(source) for source in rows[SOURCE]]
    return vector_map(
        np.stack(rows[FEATURES].to_list()),
        [NO_LABEL if label is None else label for label in rows[LABEL]],
        list(rows["prediction"]) if head else [],
        sources,
        backbone=backbone,
        head=head,
        films=count,
    )
