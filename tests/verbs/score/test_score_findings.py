"""Films and vectors scored with a model of findings: rows, counts, drift, SQL, without Java."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scoring_table import rows, told
from test_score_one_process import without_spark

import spark_cxr
from jobs.score import JOB
from spark_cxr import job
from spark_cxr.model.findings import certainty, findings_in
from spark_cxr.model.manifest import TABLE, read_manifest, write_manifest
from spark_cxr.output import Output
from spark_cxr.pipeline.sql import register_scorer
from tests.model.findings_by_hand import (
    DIM,
    FINDINGS,
    THRESHOLDS,
    findings_model,
    linear_heads,
    mixed_heads,
)
from tests.quick import defaults


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return findings_model(tmp_path_factory.mktemp("findings") / "model", linear_heads())


@pytest.fixture(scope="module")
def films(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("arrived")
    for number, data in enumerate(drawn[:6]):
        (folder / f"film-{number}.png").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return tmp_path_factory.mktemp("scored") / "T"


@pytest.fixture(scope="module")
def said(spark, model, films, table):
    settings = {"model": model, "images": [str(films)], "table": str(table)}
    return job.run(JOB, spark, defaults(score={**settings, "explain": 3, "also": "csv"}))


def as_maps(found):
    """Forget the order of the findings, which a map of Spark has not."""
    return [{**row, "probabilities": dict(row["probabilities"])} for row in found]


def test_rows_say_what_plain_python_says(said, model, films, table, spark):
    loaded, kept = spark_cxr.load_model(model), rows(table)
    assert len(kept) == 6
    for row in kept:
        (expected,) = loaded.predict(Path(row["path"].removeprefix("file:")).read_bytes())
        assert row["prediction"] == expected.label
        assert row["confidence"] == expected.confidence
        assert dict(row["probabilities"]) == expected.probabilities
        assert row["model"] == loaded.manifest.identity
    _sql_says_the_same(spark, model, films, kept)


def _sql_says_the_same(spark, model, films, kept):
    register_scorer(spark, "findings_of", model)
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    answers = reader.load(str(films)).selectExpr("path", "findings_of(content) AS told").collect()
    spoken = {Path(answer["path"]).name: answer["told"] for answer in answers}
    assert len(spoken) == len(kept)
    for row in kept:
        one = spoken[Path(row["path"]).name]
        assert (one.prediction, one.confidence) == (row["prediction"], row["confidence"])
        assert one.probabilities == dict(row["probabilities"])


def test_films_are_counted_by_finding(said, table):
    found = [findings_in(row["prediction"]) for row in rows(table)]
    assert max(map(len, found)) > 1
    counts = {name: sum(name in each for each in found) for name in FINDINGS}
    none = sum(not each for each in found)
    expected = {**counts, "No Finding": none}
    assert said["predicted"] == {name: count for name, count in expected.items() if count}
    shares = {name: said["drift"][f"share {name}"]["found"] for name in FINDINGS}
    assert shares == pytest.approx({name: counts[name] / 6 for name in FINDINGS}, abs=1e-4)
    assert "share No Finding" not in said["drift"]


def test_films_whose_findings_hang_on_a_hair_are_listed_and_explained(said, table):
    sure = {row["path"]: certainty(dict(row["probabilities"]), THRESHOLDS) for row in rows(table)}
    listed = list(csv.DictReader(Path(said["least_certain"]).read_text().splitlines()))
    assert [row["path"] for row in listed] == sorted(sure, key=sure.__getitem__)[:3]
    drawn = pq.read_table(Path(said["out"]) / "explained/explanations").to_pylist()
    assert {row["contrast"] for row in drawn} == {f"no {row['target']}" for row in drawn}


def test_a_csv_has_a_column_for_each_finding(said, table):
    (path,) = table.glob("_csv/*/*.csv")
    flat = list(csv.DictReader(path.read_text().splitlines()))
    assert {f"probability_{name}" for name in FINDINGS} <= set(flat[0])


def test_findings_need_no_java_and_come_out_as_on_spark(said, model, films, table, tmp_path):
    done = without_spark(tmp_path, "--model", model, "--images", films, "--table", tmp_path / "M")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predicted"] == said["predicted"]
    assert as_maps(told(tmp_path / "M")) == as_maps(told(table))
    for name, count in said["predicted"].items():
        assert f"  {count:>8,}  {name}\n" in done.stderr


def test_vectors_are_scored_by_finding(spark, tmp_path):
    place = Output(findings_model(tmp_path / "model", mixed_heads()))
    known = {"name": "elsewhere", "length": DIM, "digest": "0" * 64}
    manifest = replace(read_manifest(place), engine=TABLE, backbone="elsewhere", vectors=known)
    write_manifest(place, manifest)
    vectors = np.random.default_rng(5).standard_normal((12, DIM)).astype(np.float32)
    names = [f"film-{i:02d}.png" for i in range(12)]
    columns = {"path": names, "vector": pa.array([*map(list, vectors)], pa.list_(pa.float64()))}
    pq.write_table(pa.table(columns), tmp_path / "vectors.parquet")
    settings = {
        "model": place.address,
        "features": str(tmp_path / "vectors.parquet"),
        "table": str(tmp_path / "T"),
    }
    said = job.run(JOB, spark, defaults(score=settings))
    expected = spark_cxr.load_model(place.address).predict_vectors(vectors)
    found = {row["path"]: row["prediction"] for row in rows(tmp_path / "T")}
    assert [found[name] for name in names] == [each.label for each in expected]
    assert set(said["predicted"]) <= {*FINDINGS, "No Finding"}
    assert sum(said["predicted"].values()) > 12
