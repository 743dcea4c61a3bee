"""Backbones x heads x folds in one run: each film tested once by each, one ranking, one page."""

import json
import re

import pyarrow.parquet as pq
import pytest

from jobs.compare import JOB
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.splits import with_values
from spark_cxr.verbs.compare import run as compare_run
from tests.quick import defaults


def compared(spark, out, films, compare, **train):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        train={"resamples": 200, **train},
        compare=compare,
    )
    return job.run(JOB, spark, cfg)


@pytest.fixture(scope="module")
def tiny(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("compare") / "R"
    said = compared(spark, out, films, {"heads": ["lr", "dt"], "folds": 2})
    return out, said, json.loads((out / "comparison.json").read_text())


def answers_of(out, name):
    return pq.read_table(out / "predictions" / name).to_pylist()


def test_every_film_is_tested_once_by_each_head_and_kind_of_folds(tiny):
    out, said, _ = tiny
    names = {path.name for path in (out / "predictions").iterdir()}
    assert names == {f"fake-{head}-by-{by}" for head in ("lr", "dt") for by in ("patient", "image")}
    for name in names:
        paths = [row["path"] for row in answers_of(out, name)]
        assert len(paths) == len(set(paths)) == said["images"] == 60


@pytest.mark.parametrize("by", ["patient", "image"])
def test_folds_say_where_each_film_was_tested(tiny, by):
    out, _, kept = tiny
    dealt = {row["path"]: row["fold"] for row in pq.read_table(out / f"folds/by-{by}").to_pylist()}
    answers = answers_of(out, f"fake-lr-by-{by}")
    (row,) = (row for row in kept["ranking"] if row["head"] == "Logistic regression")
    found = row if by == "patient" else row["by_image"]
    for fold, accuracy in enumerate(found["folds"]):
        right = [
            each["prediction"] == each["label"] for each in answers if dealt[each["path"]] == fold
        ]
        assert sum(right) / len(right) == pytest.approx(accuracy)


def test_accuracies_are_those_of_the_predictions(tiny):
    out, _, kept = tiny
    for row in kept["ranking"]:
        head = {"Logistic regression": "lr", "Decision tree": "dt"}[row["head"]]
        for found, by in ((row, "patient"), (row["by_image"], "image")):
            rows = answers_of(out, f"fake-{head}-by-{by}")
            right = sum(r["prediction"] == r["label"] for r in rows) / len(rows)
            assert found["accuracy"] == pytest.approx(right)
            assert sum(found["folds"]) / 2 == pytest.approx(right, abs=0.1)


def test_mllibs_evaluator_agrees_with_our_measures(tiny):
    _, _, kept = tiny
    best = kept["ranking"][0]
    head = {"Logistic regression": "lr", "Decision tree": "dt"}[best["head"]]
    theirs = kept["mllib"][f"fake-{head}-by-patient"]
    assert theirs["accuracy"] == pytest.approx(best["accuracy"])
    assert theirs["logLoss"] == pytest.approx(best["log_loss"], abs=1e-6)


def test_the_best_comes_first_and_the_others_say_how_far_behind_they_are(tiny):
    _, said, kept = tiny
    first, second = kept["ranking"]
    assert first["accuracy"] >= second["accuracy"]
    behind = second["behind_the_best"]["accuracy"]["value"]
    assert behind == pytest.approx(first["accuracy"] - second["accuracy"])
    assert said["best"] == kept["best"] == f"{first['head']} on fake"


def test_folds_by_patient_share_nobody_and_folds_by_image_say_whom(tiny):
    _, _, kept = tiny
    assert kept["split"]["shared"] == 0
    assert kept["image_split"]["shared"] > 0


def test_the_page_tells_the_best_and_the_audit(tiny):
    out, said, _ = tiny
    page = (out / "report.html").read_text()
    assert said["best"] in page
    assert "Not for diagnosis" in page
    assert re.search(r"spark-submit jobs/compare\.py .*--heads lr,dt", page)


@pytest.mark.slow
def test_labels_can_be_merged_into_one_class(spark, films, tmp_path):
    wanted = ("COVID-19", "other=Pneumonia+No_findings")
    chosen = {"heads": ["lr"], "folds": 2, "splits": ["patient"]}
    compared(spark, tmp_path / "R", films, chosen, classes=list(wanted))
    kept = json.loads((tmp_path / "R" / "comparison.json").read_text())
    assert kept["ranking"][0]["labels"] == ["COVID-19", "other"]
    assert kept["ranking"][0]["by_image"] is None


def test_an_unknown_head_is_refused_before_any_film_is_read(spark, films, tmp_path):
    with pytest.raises(ConfigError, match=r"a head by name. Received: rff"):
        compared(spark, tmp_path / "R", films, {"heads": ["rff"]})


@pytest.mark.slow
def test_several_backbones_share_one_ingest_and_one_reading_of_the_split(
    spark, films, tmp_path, monkeypatch
):
    valued = []
    monkeypatch.setattr(
        compare_run,
        "with_values",
        lambda rows, *args: valued.append(args) or with_values(rows, *args),
    )
    chosen = {"backbones": ["fake", "MobileNetV2"], "heads": ["lr"], "folds": 2}
    cfg = defaults(
        run={"out": str(tmp_path / "R")},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        features={"weights": "random:0"},
        train={"resamples": 200},
        compare={**chosen, "splits": ["patient"]},
    )
    job.run(JOB, spark, cfg)
    kept = json.loads((tmp_path / "R" / "comparison.json").read_text())
    assert {row["backbone"] for row in kept["ranking"]} == {"fake", "MobileNetV2"}
    assert any("random" in caveat for caveat in kept["caveats"])
    assert len(valued) == 1


@pytest.mark.slow
def test_folds_can_hold_the_films_of_one_value_of_a_column(spark, films, tmp_path):
    chosen = {"heads": ["lr"], "folds": 2, "splits": ["column:format"]}
    with pytest.raises(InputError, match=r"patients and twins in one fold. Received: \d+ groups"):
        compared(spark, tmp_path / "R", films, chosen)
    compared(spark, tmp_path / "S", films, chosen, crossing="drop")
    kept = json.loads((tmp_path / "S" / "comparison.json").read_text())
    assert kept["split"]["method"] == "column:format"
    assert len(answers_of(tmp_path / "S", "fake-lr-by-column-format")) == 60


def test_two_kinds_of_folds_beside_image_are_refused(spark, films, tmp_path):
    chosen = {"splits": ["patient", "column:format"]}
    with pytest.raises(ConfigError, match=r"Received: patient, column:format. Compare once"):
        compared(spark, tmp_path / "R", films, chosen)


def test_the_page_maps_the_vectors_with_the_mistakes_of_the_best_head(tiny):
    out, said, _ = tiny
    page = (out / "report.html").read_text()
    assert re.search(r"All 60 films of the test", page)
    assert f"Mistakes of {said['best'].removesuffix(' on fake')}" in page
    best = {"Logistic regression": "lr", "Decision tree": "dt"}[said["best"].split(" on ")[0]]
    rows = answers_of(out, f"fake-{best}-by-patient")
    wrong = sum(row["prediction"] != row["label"] for row in rows)
    assert f"right {60 - wrong}; wrong {wrong}</desc>" in page
