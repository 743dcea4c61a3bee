"""A training learns how to decide, and the model answers so."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.train_lr import JOB
from spark_cxr import job, load_model
from spark_cxr.metrics.conformal import VERDICTS
from tests.quick import defaults

pytestmark = pytest.mark.slow
"""Trainings from the command line, in other tests, decide too."""
QUICK = {"resamples": 100, "learning_curve": False, "explained": 0}


@pytest.fixture(scope="module")
def run_dir(spark, tmp_path_factory):
    out = tmp_path_factory.mktemp("decisions") / "R"
    wanted = {"recalibrate": "temperature", "coverage": 0.7, "sensitivity": "COVID-19=0.9"}
    cfg = defaults(
        run={"out": str(out)},
        phantoms={"count": 120, "size": 64, "formats": ["png"]},
        ingest={"likeness": 1.0},
        train={**QUICK, **wanted, "calibration_folds": 2},
    )
    job.run(JOB, spark, cfg)
    return out


@pytest.fixture(scope="module")
def model(run_dir):
    return load_model(str(run_dir / "model"))


@pytest.fixture(scope="module")
def rows(run_dir):
    vectors = {
        row["path"]: row["features"] for row in pq.read_table(run_dir / "features").to_pylist()
    }
    found = pq.read_table(run_dir / "predictions").to_pylist()
    return [(row, np.asarray(vectors[row["path"]], np.float64)) for row in found]


@pytest.fixture(scope="module")
def figures(run_dir):
    return json.loads((run_dir / "metrics.json").read_text())


def test_the_model_keeps_what_was_learned(model, figures):
    manifest = model.manifest
    assert manifest.format == 5
    assert manifest.decision.recalibration.kind == "temperature"
    assert manifest.decision.coverage == 0.7
    assert list(manifest.decision.thresholds) == ["COVID-19"]
    assert manifest.decision.films == figures["n_train"] == figures["decision"]["films"]


def test_predictions_of_the_test_are_those_of_the_model(rows, model):
    for row, vector in rows:
        (found,) = model.predict_vectors(vector[None])
        assert dict(row["probabilities"]) == pytest.approx(dict(found.probabilities), abs=1e-9)
        assert row["prediction"] == found.label
        assert set(found.verdicts.values()) <= set(VERDICTS)


def test_temperature_changes_no_answer(rows, model):
    stated = model.predictor.head.probabilities(np.stack([vector for _, vector in rows]))
    named = [model.labels[place] for place in stated.argmax(axis=1)]
    assert [row["prediction"] for row, _ in rows] == named


def test_figures_say_what_it_gives_on_the_test_and_what_was_before(figures, rows, model):
    found = figures["decision"]
    assert found["recalibration"] == "temperature"
    stated = model.predictor.head.probabilities(np.stack([vector for _, vector in rows]))
    own = [
        row[model.labels.index(each["label"])] for row, (each, _) in zip(stated, rows, strict=True)
    ]
    assert found["before"]["log_loss"] == pytest.approx(-np.log(own).mean(), abs=1e-6)
    assert found["after"]["log_loss"] == pytest.approx(figures["log_loss"], abs=1e-12)
    assert found["after"]["ece"] == pytest.approx(figures["ece"], abs=1e-12)
    assert found["after"]["brier"] == pytest.approx(figures["brier"], abs=1e-12)
    point = found["points"]["COVID-19"]
    said = [dict(row["probabilities"])["COVID-19"] for row, _ in rows if row["label"] == "COVID-19"]
    reached = np.mean(np.array(said) >= point["threshold"])
    assert point["sensitivity"]["value"] == pytest.approx(reached)
    assert {"ppv", "npv", "prevalence"} <= set(point)
    assert sum(found["left"].values()) == figures["n_test"]
    assert set(found["covered"]) == set(model.labels)


def test_the_page_shows_it(run_dir):
    page = (run_dir / "report.html").read_text()
    part = page[page.index("How probabilities become answers") :]
    for words in ("Recalibration: temperature", "Operating points", "coverage", "Ruled out"):
        assert words in part


# Several findings


@pytest.fixture(scope="module")
def findings_dir(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finding_decisions")
    wanted = {"recalibrate": "temperature", "coverage": 0.8, "sensitivity": "Effusion=0.9"}
    cfg = defaults(
        run={"out": str(folder / "R")},
        phantoms={"count": 160, "size": 64, "formats": ["png"], "unknown": 0.1},
        ingest={"findings": ["all"], "likeness": 1.0},
        train={**QUICK, **wanted, "calibration_folds": 2, "least_positives": 5},
    )
    job.run(JOB, spark, cfg)
    return folder / "R"


@pytest.mark.slow
def test_points_of_findings_are_the_thresholds_that_answer(findings_dir):
    model = load_model(str(findings_dir / "model"))
    figures = json.loads((findings_dir / "metrics.json").read_text())
    manifest = model.manifest
    assert manifest.format == 5
    assert manifest.thresholds["Effusion"] == manifest.decision.thresholds["Effusion"]
    assert figures["by_finding"]["Effusion"]["threshold"] == manifest.thresholds["Effusion"]
    point = figures["decision"]["points"]["Effusion"]
    assert point["sensitivity"]["value"] == figures["sensitivity"]["Effusion"]
    vectors = pq.read_table(findings_dir / "features").to_pylist()
    by_path = {row["path"]: np.asarray(row["features"], np.float64) for row in vectors}
    for row in pq.read_table(findings_dir / "predictions").to_pylist():
        (found,) = model.predict_vectors(by_path[row["path"]][None])
        assert dict(row["probabilities"]) == pytest.approx(dict(found.probabilities), abs=1e-9)
        assert row["prediction"] == found.label
        assert list(found.verdicts) == list(model.labels)


@pytest.mark.slow
def test_page_of_findings_shows_it(findings_dir):
    page = (findings_dir / "report.html").read_text()
    part = page[page.index("How probabilities become answers") :]
    assert "Verdicts at 80.0" in part
    assert "of Effusion what its target takes" in page
