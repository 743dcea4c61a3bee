"""Training rows and test predictions → the reference that later films are held against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.model.reference import FEWEST, Cloud, Reference, describe, own_distances
from spark_cxr.schemas import FEATURES, GROUP, SHA256
from spark_cxr.settings import Gate

MOST = 4000
"""Training films that are looked at, drawn by hash: more hardly move a mean and 64 axes."""


def reference_of(
    train_rows: DataFrame,
    predictions: DataFrame,
    labels: tuple[str, ...],
    gate: Gate,
    seed: int,
) -> Reference:
    """Describe the training's films, and what was said of those of the test."""
    vectors, groups = _drawn(train_rows, seed)
    cloud, own = _described(vectors, groups, seed)
    limit = float(np.quantile(own, 1 - gate.false_alarms)) if len(own) >= FEWEST else np.inf
    shares, confidence, spread = _answers(predictions, labels)
    return Reference(
        cloud=cloud,
        limit=limit,
        false_alarms=gate.false_alarms,
        far=gate.far,
        colour=gate.colour,
        distance=float(np.mean(own / limit)) if len(own) else 0.0,
        distance_spread=float(np.std(own / limit)) if len(own) else 0.0,
        shares=shares,
        confidence=confidence,
        confidence_spread=spread,
    )


def _described(vectors: np.ndarray, groups: list[str], seed: int) -> tuple[Cloud, np.ndarray]:
    """Describe films; a limit that is no number but zero would make everything infinitely far."""
    own = own_distances(vectors, groups, seed)
    return describe(vectors, seed), own[own > 0]


def _drawn(train_rows: DataFrame, seed: int) -> tuple[np.ndarray, list[str]]:
    """Bring a bounded number of vectors to the driver, in an order of their own, as raw bytes."""
    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    vector = vector_to_array(F.col(FEATURES), "float32")
    drawn = train_rows.select(GROUP, vector.alias(FEATURES), lot.alias("lot"), SHA256)
    drawn = drawn.orderBy("lot", SHA256, GROUP).limit(MOST).select(GROUP, FEATURES)
    rows = drawn.mapInArrow(_as_bytes, f"{GROUP} string, {FEATURES} binary").collect()
    vectors = np.stack([np.frombuffer(row[FEATURES], np.float32) for row in rows])
    return vectors.astype(np.float64), [row[GROUP] for row in rows]


def _as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        vectors = [np.asarray(v.values, np.float32).tobytes() for v in batch[FEATURES]]
        yield pa.RecordBatch.from_arrays([batch[GROUP], pa.array(vectors)], [GROUP, FEATURES])


def _answers(
    predictions: DataFrame, labels: tuple[str, ...]
) -> tuple[dict[str, float], float, float]:
    """Average what a head said of films that it had not seen."""
    sure = F.col("confidence")
    sums = F.count("*").alias("n"), F.sum(sure).alias("one"), F.sum(sure * sure).alias("two")
    rows = {r["prediction"]: r for r in predictions.groupBy("prediction").agg(*sums).collect()}
    n = sum(row["n"] for row in rows.values())
    mean = sum(row["one"] for row in rows.values()) / n
    square = sum(row["two"] for row in rows.values()) / n
    shares = {label: rows[label]["n"] / n if label in rows else 0.0 for label in labels}
    return shares, mean, max(0.0, square - mean * mean) ** 0.5
