"""What is held against a model of findings: its own predictions, and those of int8."""

import numpy as np
import pytest
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F

from spark_cxr.model.predictor import Predictor
from spark_cxr.pipeline.int8_scorer import changed_share
from spark_cxr.pipeline.model_directory import reference_of
from spark_cxr.schemas import TEST_FINDINGS
from tests.model.findings_by_hand import (
    DIM,
    FINDINGS,
    THRESHOLDS,
    findings_reference,
    linear_heads,
)
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


def test_an_answer_has_changed_if_any_of_its_findings_has():
    known = Predictor(FINDINGS, linear_heads(), findings_reference(), THRESHOLDS)
    some = np.random.default_rng(7).standard_normal((200, DIM)).astype(np.float32) / 20
    others = some + np.random.default_rng(8).standard_normal(some.shape).astype(np.float32) / 100
    points = np.array(list(THRESHOLDS.values()))
    named = [known.head.probabilities(each.astype(np.float64)) >= points for each in (some, others)]
    expected = (named[0] != named[1]).any(axis=1).mean()
    assert 0.01 < (named[0] != named[1])[:, 0].mean() < expected < 0.5
    assert changed_share(known, some, others) == pytest.approx(expected)
