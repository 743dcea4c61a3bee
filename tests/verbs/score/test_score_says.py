"""What a run leaves beside the rows: counts, flags, drift, lists, copies, SQL."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scoring_table import rows

import spark_cxr
from spark_cxr.pipeline.sql import register_scorer
from spark_cxr.schemas import SCORES, columns


@pytest.fixture
def table(tmp_path):
    return tmp_path / "T"


def test_the_table_has_its_columns_and_is_parted_by_day(score, table):
    score()
    (row,) = rows(table)[:1]
    assert list(row) == [*columns(SCORES), "scored_on"]
    assert row["scored_on"] == f"{row['scored_at']:%Y-%m-%d}"


def photograph():
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[..., 0] = 220
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_a_coloured_picture_is_flagged_and_gets_no_class_anywhere(
    spark, score, table, folder, model
):
    (folder / "0 photograph.png").write_bytes(photograph())
    said = score(explain=7, also="csv")
    (row,) = (row for row in rows(table) if row["path"].endswith("photograph.png"))
    assert (row["prediction"], row["flags"]) == (None, ["not_an_xray"])
    assert (row["confidence"], dict(row["probabilities"])) == (None, {})
    assert said["flags"] == {"not_an_xray": 1}
    assert sum(said["predicted"].values()) == 6
    listed = list(csv.DictReader(Path(said["least_certain"]).read_text().splitlines()))
    assert len(listed) == said["explained"] == 6
    assert not [one for one in listed if "photograph" in one["path"]]
    (flat,) = (
        one
        for one in csv.DictReader(next(table.glob("_csv/*/*.csv")).read_text().splitlines())
        if "photograph" in one["path"]
    )
    assert [flat[name] for name in ("confidence", "probability_COVID-19")] == ["", ""]
    register_scorer(spark, "cxr_refusing", model)
    films = spark.createDataFrame([(bytearray(photograph()),)], "content binary")
    told = films.selectExpr("cxr_refusing(content) AS told").first()["told"]
    assert (told.prediction, told.confidence, told.probabilities) == (None, None, {})


def test_a_csv_of_films_without_a_class_has_the_columns_of_the_labels(score, table, folder):
    for path in list(folder.glob("**/*.png")):
        path.unlink()
    (folder / "photograph.png").write_bytes(photograph())
    score(also="csv")
    (flat,) = csv.DictReader(next(table.glob("_csv/*/*.csv")).read_text().splitlines())
    assert flat["probability_COVID-19"] == flat["probability_Pneumonia"] == ""


def test_drift_is_measured_against_the_training_and_named(score):
    said = score()
    assert set(said["drift"]) == {
        *(f"share {label}" for label in ("COVID-19", "No_findings", "Pneumonia")),
        *("mean confidence", "mean distance", "share unlike"),
    }
    shares = [said["drift"][name]["found"] for name in said["drift"] if name.startswith("share ")]
    assert sum(shares[:3]) == pytest.approx(1, abs=1e-3)
    assert said["drifted"] == [name for name, told in said["drift"].items() if told["moved"]]


def test_the_least_certain_films_are_listed_for_explain(score, table):
    said = score(explain=2)
    listed = list(csv.DictReader(Path(said["least_certain"]).read_text().splitlines()))
    expected = sorted((row["confidence"], row["path"]) for row in rows(table))[:2]
    assert [(float(row["confidence"]), row["path"]) for row in listed] == expected


def test_each_run_leaves_its_record(score, table):
    said = [score(), score()]
    records = [json.loads(p.read_text()) for p in sorted(table.glob("_runs/*/run.json"))]
    assert [record["status"] for record in records] == ["ok", "ok"]
    assert sorted(record["scored"] for record in records) == [0, 6]
    assert Path(said[0]["out"], "run.json").exists()


def test_csv_and_json_lines_hold_the_same_rows(score, table):
    score(also="csv")
    score(also="jsonl")  # no new file: the copy of the earlier run is made up for
    (flat_file,), (lines_file,) = table.glob("_csv/*/*.csv"), table.glob("_jsonl/*/*.jsonl")
    flat = list(csv.DictReader(flat_file.read_text().splitlines()))
    lines = [json.loads(line) for line in lines_file.read_text().splitlines()]
    kept = {row["path"]: row for row in rows(table)}
    assert len(flat) == len(lines) == len(kept) == 6
    for one, other in zip(flat, lines, strict=True):
        row = kept[one["path"]]
        assert float(one["confidence"]) == other["confidence"] == row["confidence"]
        assert float(one["probability_COVID-19"]) == dict(row["probabilities"])["COVID-19"]
        assert other["probabilities"] == dict(row["probabilities"])


def test_sql_says_what_the_table_and_plain_python_say(spark, score, table, folder, model):
    (folder / "bad.png").write_bytes(b"no image")
    score()
    register_scorer(spark, "cxr", model)
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    reader.load(str(folder)).createOrReplaceTempView("arrived_films")
    asked = spark.sql("SELECT path, content, cxr(content) AS told FROM arrived_films").collect()
    kept, judge = {row["path"]: row for row in rows(table)}, spark_cxr.load_model(model)
    assert len(asked) == 7
    for path, content, said in asked:
        (expected,) = judge.predict(bytes(content))
        if path.endswith("bad.png"):
            assert (said.prediction, said.reason) == (None, "not_an_image")
            assert expected.bad.reason == "not_an_image"
            continue
        assert said.prediction == kept[path]["prediction"] == expected.label
        assert said.probabilities == pytest.approx(dict(expected.probabilities), abs=1e-6)
        assert said.probabilities == pytest.approx(dict(kept[path]["probabilities"]), abs=1e-6)
        assert said.training_distance == pytest.approx(expected.distance, abs=1e-6)


def test_a_null_in_sql_is_an_empty_image(spark, model):
    register_scorer(spark, "cxr_of_null", model)
    said = spark.sql("SELECT cxr_of_null(CAST(NULL AS BINARY)) AS told").collect()[0]["told"]
    assert (said["prediction"], said["reason"]) == (None, "empty")
