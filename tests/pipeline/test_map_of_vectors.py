"""Which films of a test are on a map: drawn by lot, the same on any partitions."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_cxr.pipeline import vector_maps
from spark_cxr.schemas import FEATURE_ROWS, TEST_PREDICTIONS

N, DIM = 40, 5
NAMES = {"backbone": "fake", "head": "lr"}


@pytest.fixture(scope="module")
def tables(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    """Make vectors and predictions of the same films, and vectors of one more."""
    rng, now = np.random.default_rng(0), datetime(2026, 1, 1, tzinfo=UTC)
    vectors, predictions = [], []
    for n in range(N + 1):
        path, digest, label = f"{n:02}", f"{n:064x}", "ab"[n % 2]
        numbers = [float(x) for x in rng.normal(size=DIM)]
        vectors.append((path, digest, label, "s", path, None, numbers))
        said = "a" if n % 4 == 0 else label
        predictions.append(
            (
                path,
                digest,
                said,
                0.9,
                {"a": 0.9, "b": 0.1},
                "m",
                now,
                label,
                f"s{n % 3}",
                path,
                None,
            )
        )
    return (
        spark.createDataFrame(vectors, FEATURE_ROWS),
        spark.createDataFrame(predictions[:N], TEST_PREDICTIONS),
    )


def test_all_films_of_a_small_test_are_mapped_with_what_was_said(
    tables: tuple[DataFrame, DataFrame],
) -> None:
    found = vector_maps.map_of_vectors(*tables, DIM, 0, **NAMES)
    assert (found.films, len(found.places)) == (N, N)
    assert found.labels == tuple("ab"[n % 2] for n in range(N))
    assert found.predicted == tuple("a" if n % 4 == 0 else "ab"[n % 2] for n in range(N))
    assert found.sources == tuple(f"s{n % 3}" for n in range(N))


def test_a_seed_draws_the_same_films_on_any_partitions_and_another_draws_others(
    tables: tuple[DataFrame, DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_maps, "MOST", 15)
    vectors, predictions = tables
    first = vector_maps.map_of_vectors(vectors, predictions, DIM, 0, **NAMES)
    shuffled = (vectors.repartition(5), predictions.repartition(3))
    assert vector_maps.map_of_vectors(*shuffled, DIM, 0, **NAMES) == first
    assert (first.films, len(first.places)) == (N, 15)
    other = vector_maps.map_of_vectors(vectors, predictions, DIM, 1, **NAMES)
    assert dataclasses.replace(other, places=first.places) != first


def test_long_vectors_leave_room_for_fewer_films(
    tables: tuple[DataFrame, DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_maps, "MOST_NUMBERS", 9 * DIM)
    assert len(vector_maps.map_of_vectors(*tables, DIM, 0, **NAMES).places) == 9
