"""Several findings a film, from drawn films to a page: phantoms, train, score, explain, compare."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.compare import JOB as COMPARE
from jobs.explain import JOB as EXPLAIN
from jobs.score import JOB as SCORE
from jobs.train_lr import JOB as TRAIN
from spark_cxr import job, load_model
from spark_cxr.errors import ConfigError
from spark_cxr.metrics.wording import decimal
from spark_cxr.model.examples import read_examples
from spark_cxr.model.manifest import read_manifest
from spark_cxr.output import Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.schemas import TEST_FINDINGS, columns
from tests.quick import defaults
from tests.report.card_fields import missing_places

NAMES = ["Consolidation", "Effusion", "Pneumothorax"]
QUICK = {"resamples": 100, "learning_curve": False, "explained": 1, "least_positives": 5}
"""Drawn films are all alike: without `likeness` most of the time would go into comparing them."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("findings") / "P"
    cfg = defaults(
        phantoms={
            "count": 120,
            "size": 96,
            "formats": ["png"],
            "bad": 0,
            "several_findings": ["Consolidation=0.4", "Effusion=0.4", "Pneumothorax=0.3"],
            "unknown": 0.1,
        }
    )
    phantoms_step(cfg.phantoms, 0, Output(str(folder)))
    return folder


def settings(films, out, **sections):
    ingest = {
        "images": [str(films)],
        "labels": str(films / "manifest.csv"),
        "findings": ["all"],
        "likeness": 1.0,
    }
    train = {**QUICK, **sections.pop("train", {})}
    return defaults(run={"out": str(out)}, ingest=ingest, train=train, **sections)


@pytest.fixture(scope="module")
def run_dir(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("train") / "R"
    job.run(TRAIN, spark, settings(films, out))
    return out


@pytest.fixture(scope="module")
def metrics(run_dir):
    return json.loads((run_dir / "metrics.json").read_text())


def test_page_shows_test_films_with_the_heat_of_their_leading_finding(run_dir):
    page = (run_dir / "report.html").read_text()
    assert page.count("<h2>Where decisions come from</h2>") == 1
    assert "blue is evidence against it" in page
    assert [name for name in NAMES if f"{name} rather than no {name}" in page]
    assert "its operating point of" in page


def test_run_leaves_figures_a_page_and_a_model_of_findings(run_dir, metrics):
    assert metrics["labels"] == NAMES
    assert metrics["learning_curve"] == []
    assert sorted(metrics["auc"]) == NAMES
    assert metrics["n_train"] + metrics["n_test"] == metrics["images"]
    manifest = json.loads((run_dir / "model" / "model.json").read_text())
    assert manifest["format"] == 4
    assert manifest["labels"] == NAMES
    counts = metrics["trained_on"]
    shares = {n: c["positive"] / (c["positive"] + c["negative"]) for n, c in counts.items()}
    assert manifest["thresholds"] == pytest.approx(shares)
    assert "Pneumothorax" in (run_dir / "report.html").read_text()


def test_films_of_each_finding_travel_with_the_model(run_dir):
    place = Output(str(run_dir / "model"))
    found, pictures = read_examples(place, read_manifest(place))
    assert found.drawn and len(pictures) == len(found.films)
    rows = pq.read_table(run_dir / "predictions", columns=["findings"]).to_pylist()
    there = {name for row in rows for name, has in row["findings"] if has}
    assert {name for each in found.films for name, has in each.known.items() if has} >= there


def test_card_and_sheets_have_the_figures_of_metrics_json(run_dir, metrics):
    card = (run_dir / "card.md").read_text()
    assert f"the mean AUC over {len(NAMES)} findings was {decimal(metrics['auc_macro'])}" in card
    assert [name for name in NAMES if decimal(metrics["auc"][name]) not in card] == []
    assert missing_places(run_dir) == []


def test_unknown_answers_are_neither_learned_nor_measured(run_dir, metrics):
    rows = pq.read_table(run_dir / "predictions").to_pylist()
    assert list(rows[0]) == columns(TEST_FINDINGS)
    for name in NAMES:
        known = [dict(row["findings"]).get(name) for row in rows]
        found = metrics["by_finding"][name]
        assert found["known"] == sum(value is not None for value in known)
        assert found["positives"] == sum(value is True for value in known)
        assert found["unknowns"] == known.count(None) > 0


def test_no_patient_is_on_both_sides(run_dir, metrics):
    assert metrics["test_images_with_patient_or_twin_in_training"] == 0


def test_mllibs_evaluator_finds_the_same_areas(metrics):
    for name in NAMES:
        assert metrics["mllib"][f"areaUnderROC {name}"] == pytest.approx(metrics["auc"][name])
    assert 0 < metrics["mllib"]["hammingLoss"] < 1


def test_heads_without_java_answer_as_spark_does(run_dir, films):
    rows = pq.read_table(run_dir / "predictions").to_pylist()[:12]
    model = load_model(run_dir / "model")
    contents = [(films / "films" / r["path"].rsplit("/", 1)[-1]).read_bytes() for r in rows]
    for row, found in zip(rows, model.predict(contents), strict=True):
        expected = dict(row["probabilities"])
        assert list(found.probabilities) == NAMES
        np.testing.assert_allclose(
            [found.probabilities[n] for n in NAMES], [expected[n] for n in NAMES], atol=1e-6
        )
        assert found.label == row["prediction"]


def test_score_writes_a_probability_for_each_finding(spark, run_dir, films, tmp_path):
    cfg = defaults(
        score={
            "model": str(run_dir / "model"),
            "images": [str(films / "films")],
            "table": str(tmp_path / "scores"),
        }
    )
    done = job.run(SCORE, spark, cfg)
    assert done["status"] == "ok"
    rows = pq.read_table(tmp_path / "scores").to_pylist()
    assert len(rows) == 120
    named = [row for row in rows if row["prediction"]]
    assert all(sorted(dict(row["probabilities"])) == NAMES for row in named)
    assert {"No Finding"} < {row["prediction"] for row in named}


def test_explain_draws_the_finding_that_was_asked_for(spark, run_dir, films, tmp_path):
    out = tmp_path / "E"
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films / "films")], "labels": "none"},
        explain={"model": str(run_dir / "model"), "limit": 6, "label": "Effusion", "exact": True},
    )
    job.run(EXPLAIN, spark, cfg)
    rows = pq.read_table(out / "explanations").to_pylist()
    assert {(row["target"], row["contrast"]) for row in rows} == {("Effusion", "no Effusion")}


@pytest.mark.slow
def test_learning_curve_of_tuned_heads_ends_at_the_whole_training(spark, run_dir, tmp_path):
    out = tmp_path / "R"
    changed = {"learning_curve": True, "tune": True, "tune_folds": 2, "explained": 0}
    train = {**QUICK, **changed, "features": str(run_dir)}
    cfg = defaults(run={"out": str(out)}, ingest={"findings": ["all"]}, train=train)
    job.run(TRAIN, spark, cfg)
    metrics = json.loads((out / "metrics.json").read_text())
    curve = metrics["learning_curve"]
    sizes = [point["n_train"] for point in curve]
    assert sizes == sorted(set(sizes)) and len(sizes) > 1
    low, high = metrics["intervals"]["auc_macro"]
    assert curve[-1] == {
        "n_train": metrics["n_train"],
        "auc_macro": metrics["auc_macro"],
        "interval": {"low": low, "high": high},
    }
    assert curve[0]["auc_macro"] < curve[-1]["auc_macro"]
    assert set(metrics["tuned"]) == set(NAMES)
    page = (out / "report.html").read_text()
    assert "Would more films help?" in page
    assert f"to {metrics['n_train']} training images the mean AUC went from" in page


@pytest.mark.slow
def test_findings_can_be_named(spark, films, tmp_path):
    cfg = settings(films, tmp_path / "R")
    wanted = defaults(**{**_sections(cfg), "ingest": {**_ingest(cfg), "findings": ["Effusion"]}})
    done = job.run(TRAIN, spark, wanted)
    assert done["findings"] == ["Effusion"]


def _ingest(cfg):
    return {
        "images": list(cfg.ingest.images),
        "labels": cfg.ingest.labels,
    }


def _sections(cfg):
    return {"run": {"out": cfg.run.out}, "train": QUICK}


def test_classes_beside_findings_are_refused(spark, films, tmp_path):
    cfg = settings(films, tmp_path / "R", train={"classes": ["Effusion", "Nodule"]})
    with pytest.raises(ConfigError, match="either --findings or --classes"):
        job.run(TRAIN, spark, cfg)


@pytest.mark.slow
def test_compare_ranks_heads_by_their_mean_area(spark, films, tmp_path):
    out = tmp_path / "C"
    compare = {"heads": ["lr", "dt"], "folds": 2}
    done = job.run(COMPARE, spark, settings(films, out, compare=compare))
    found = json.loads((out / "comparison.json").read_text())
    areas = [row["auc_macro"] for row in found["ranking"]]
    assert areas == sorted(areas, reverse=True)
    assert [row["n"] for row in found["ranking"]] == [120, 120]
    assert done["auc_macro"] == areas[0]
    assert found["ranking"][1]["behind_the_best"]["auc_macro"]["value"] == pytest.approx(
        areas[0] - areas[1]
    )
    assert "Effusion" in (out / "report.html").read_text()
    groups = {row["by"] for row in found["subgroups"]["rows"]}
    assert groups == set(found["parts"]) >= {"sex", "age band"}
