"""The reference of a model of findings, from predictions as a training makes them."""

import numpy as np
import pytest
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

from spark_cxr.pipeline.model_directory import reference_of
from spark_cxr.schemas import TEST_FINDINGS
from tests.quick import defaults

POINTS = {"Mass": 0.5, "Effusion": 0.2, "Hernia": 0.9}
SHARES = np.random.default_rng(8).random((40, 3)).round(1)


def predictions(spark):
    rows = []
    for number, shares in enumerate(SHARES.tolist()):
        named = dict(zip(POINTS, shares, strict=True))
        rows.append((f"f{number}", None, "x", max(shares), named, "m", *[None] * 6))
    return spark.createDataFrame(rows, TEST_FINDINGS)


def test_shares_are_those_of_films_at_or_above_the_operating_points(spark):
    vectors = np.random.default_rng(9).standard_normal((20, 4)).tolist()
    rows = [(f"s{i}", f"g{i}", vector) for i, vector in enumerate(vectors)]
    trained = spark.createDataFrame(rows, "sha256 string, group_id string, features array<double>")
    trained = trained.withColumn("features", array_to_vector(F.col("features")))
    labels = ("Effusion", "Hernia", "Mass")
    gate = defaults().gate
    found = reference_of(trained, predictions(spark), labels, gate, 0, POINTS)
    points = np.array(list(POINTS.values()))
    expected = dict(zip(POINTS, (points <= SHARES).mean(axis=0).tolist(), strict=True))
    assert list(found.shares) == list(labels)
    assert dict(found.shares) == pytest.approx(expected)
    highest = SHARES.max(axis=1)
    assert found.confidence == pytest.approx(highest.mean())
    assert found.confidence_spread == pytest.approx(highest.std())
