"""Vectors and test predictions → the map of a network's vectors: few films, drawn by lot."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

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
    most = max(1, min(MOST, MOST_NUMBERS // dim))
    tested = predictions.select(PATH, SHA256, LABEL, SOURCE, "prediction")
    drawn = tested.orderBy(lot_of(seed, F.col(SHA256)), PATH).limit(most)
    both = vectors.select(PATH, FEATURES).join(F.broadcast(drawn), on=PATH, how="inner")
    rows = both.toPandas().sort_values(PATH)
    sources = [None if source is None else str(source) for source in rows[SOURCE]]
    return vector_map(
        np.stack(rows[FEATURES].to_list()),
        list(rows[LABEL]),
        list(rows["prediction"]),
        sources,
        backbone=backbone,
        head=head,
        films=predictions.count(),
    )
