"""Answers out of fold: no film is answered by a head that has learned from its patient."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.heads import catalog
from spark_cxr.metrics.isotonic import Steps
from spark_cxr.metrics.recalibration import Recalibration
from spark_cxr.model.decision import Decision
from spark_cxr.pipeline import held_out
from spark_cxr.pipeline.decision_trial import STATED, recalibrated_classes
from spark_cxr.pipeline.finding_counts import count_findings
from spark_cxr.pipeline.finding_heads import FindingFitter, prepare_findings
from spark_cxr.pipeline.heads import HeadRecipe, fit, prepare_rows
from spark_cxr.pipeline.held_out import (
    HELD_OUT,
    answers_of_classes,
    drawn,
    held_out_classes,
    held_out_findings,
    held_out_folds,
)
from tests.quick import defaults

LABELS = ("a", "b")
TRAIN = replace(defaults().train, calibration_folds=2)
DDL = (
    "path string, sha256 string, label string, group_id string, is_test boolean, "
    "features array<float>, findings map<string,boolean>"
)


@pytest.fixture(scope="module")
def films(spark):
    """Two films a patient; the label is drawn by patient and has nothing to do with the vector,
    but the vectors of a patient are one, so that a tree knows each patient by heart."""
    draw, rows = np.random.default_rng(3), []
    for patient in range(60):
        vector = draw.standard_normal(4).astype(np.float32).tolist()
        has_it = bool(draw.random() < 0.5)
        findings = {"Mass": has_it} if patient % 6 else {}
        for film in range(2):
            path = f"f{patient:02}{film}"
            row = (path, path, LABELS[has_it], f"g{patient:02}", False, vector, findings)
            rows.append(row)
    table = spark.createDataFrame(rows, DDL).coalesce(1)
    return held_out_folds(table, TRAIN, 0).joined(table).persist()


def accuracy(found):
    return (found.probabilities.argmax(axis=1) == found.truth).mean()


@pytest.mark.slow
def test_a_patient_is_not_answered_by_a_head_that_knows_him(films):
    rows = prepare_rows(films, LABELS)
    tree, by_heart = catalog.get("dt"), (("max_depth", 12.0), ("min_films", 2.0))
    recipe = HeadRecipe(setting=by_heart)
    known = answers_of_classes(fit(tree, rows, recipe).transform(rows), 2)
    apart = held_out_classes(tree, rows, recipe, 2, 4, TRAIN)
    assert accuracy(known) > 0.9
    assert accuracy(apart) < 0.7
    assert len(apart.groups) == 120
    assert len(set(apart.groups)) == 60
    assert (
        films.groupBy("group_id")
        .agg(F.count_distinct(HELD_OUT).alias("n"))
        .agg(F.max("n"))
        .first()[0]
        == 1
    )


@pytest.mark.slow
def test_findings_are_answered_over_all_films_and_known_on_some(films):
    rows = prepare_findings(films)
    counts = count_findings(films)
    head = FindingFitter(catalog.get("lr"), HeadRecipe(), parallelism=1)
    found = held_out_findings(head, rows, counts, 4, TRAIN, 0)
    assert found.probabilities.shape == found.truth.shape == (120, 1)
    assert np.isnan(found.truth).sum() == 20
    assert ((found.probabilities > 0) & (found.probabilities < 1)).all()


@pytest.mark.slow
def test_no_more_films_than_a_bound_come_to_the_driver(films, monkeypatch):
    monkeypatch.setattr(held_out, "MOST", 30)
    some = {row["path"] for row in drawn(films, 120, 1).collect()}
    assert len(some) == 30
    assert some == {row["path"] for row in drawn(films.repartition(3), 120, 1).collect()}


@pytest.mark.slow
def test_too_few_patients_for_folds_are_said(films):
    few = held_out_folds(films.limit(2), TRAIN, 0)
    assert few.rows is None
    assert "at least 2 patients or images of each label for 2 folds" in few.obstacle


@pytest.mark.slow
def test_isotonic_probabilities_may_name_another_class_in_spark_too(films):
    rows = prepare_rows(films, LABELS)
    scored = fit(catalog.get("lr"), rows).transform(rows)
    turned = (Steps((0.0, 1.0), (0.0, 0.01)), Steps((0.0, 1.0), (0.5, 0.6)))
    decision = Decision(Recalibration("isotonic", steps=turned))
    both = recalibrated_classes(scored, decision).select(STATED, "probability", "prediction_index")
    for row in both.limit(20).collect():
        expected = decision.probabilities(row[STATED].toArray()[None], False)[0]
        np.testing.assert_array_equal(row["probability"].toArray(), expected)
        assert row["prediction_index"] == 1.0
