"""The jobs of all heads, and the model directory that they leave."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

import spark_cxr
from jobs import train, train_dt, train_lr, train_rf
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.heads import catalog
from spark_cxr.model.manifest import read_manifest
from spark_cxr.output import Output
from spark_cxr.pipeline import heads as training
from spark_cxr.pipeline import splits as split
from tests.quick import defaults

DIRECT = {"lr": train_lr.JOB, "rf": train_rf.JOB, "dt": train_dt.JOB}


def trained(spark, out, films, name, **train_settings):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        train={"resamples": 100, "learning_curve": False, **train_settings},
        any_head={"head": name},
    )
    job.run(DIRECT.get(name, train.JOB), spark, cfg)
    return out


def predictions(out):
    rows = pq.read_table(out / "predictions").to_pylist()
    return {row["path"].removeprefix("file:"): dict(row["probabilities"]) for row in rows}


@pytest.fixture(
    scope="module",
    params=["lr", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dt", "svc"))],
)
def run_dir(spark, films, tmp_path_factory, request):
    return trained(spark, tmp_path_factory.mktemp("heads") / "R", films, request.param)


def test_model_without_java_says_what_spark_said(run_dir):
    model = spark_cxr.load_model(run_dir / "model")
    expected = predictions(run_dir)
    contents = [Path(path).read_bytes() for path in expected]
    for told, wanted in zip(model.predict(contents), expected.values(), strict=True):
        assert dict(told.probabilities) == pytest.approx(wanted, abs=1e-6)


def test_report_explains_films_by_what_the_head_allows(run_dir):
    head = read_manifest(Output(str(run_dir / "model"))).head
    method = "occlusion, how far" if head == "dt" else "cam, exact"
    page = (run_dir / "report.html").read_text()
    assert method in page[page.index("Where decisions come from") :]


def test_model_json_tells_the_whole_recipe(run_dir):
    manifest = read_manifest(Output(str(run_dir / "model")))
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert list(manifest.labels) == metrics["labels"]
    assert manifest.head == metrics["head"]
    assert dict(manifest.setting) == dict(catalog.get(manifest.head).default)
    assert (manifest.backbone, manifest.engine, manifest.network) == ("fake", "fake", "")
    assert manifest.metrics["accuracy"] == metrics["accuracy"]
    ends = [manifest.metrics[f"accuracy_{end}"] for end in ("low", "high")]
    assert ends == metrics["intervals"]["accuracy"]
    files = {name.split("/")[0] for name in manifest.files}
    assert files == {"head", "head.npz", "reference.npz", "training.films", "examples"}


def test_mllibs_own_format_gives_the_same_again(spark, run_dir):
    manifest = read_manifest(Output(str(run_dir / "model")))
    mllib = PipelineModel.load(str(run_dir / "model" / "head"))
    head = training.HeadModel(catalog.get(manifest.head), mllib)
    features = spark.read.parquet(str(run_dir / "features"))
    rows = training.prepare_rows(features, manifest.labels)
    told = head.transform(rows).select("path", vector_to_array("probability").alias("p")).collect()
    expected = predictions(run_dir)
    for row in told:
        wanted = expected.get(row["path"].removeprefix("file:"))
        if wanted:
            assert row["p"] == pytest.approx([wanted[x] for x in manifest.labels], abs=1e-9)


def test_a_model_of_a_training_that_was_tampered_with_is_refused(run_dir, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(run_dir / "model", copy)
    table = next(copy.glob("head/stages/*/data/*.parquet"))
    table.write_bytes(table.read_bytes() + b" ")
    with pytest.raises(InputError, match="changed since"):
        spark_cxr.load_model(copy)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rf", "gbt", "mlp"])
def test_slow_heads_say_without_java_what_spark_said(spark, films, tmp_path, name):
    out = trained(spark, tmp_path / "R", films, name)
    model, expected = spark_cxr.load_model(out / "model"), predictions(out)
    told = model.predict([Path(path).read_bytes() for path in expected])
    got = [[row.probabilities[x] for x in model.labels] for row in told]
    wanted = [[row[x] for x in model.labels] for row in expected.values()]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_forest_of_the_same_seed_says_the_same(spark, films, tmp_path):
    first, again = (predictions(trained(spark, tmp_path / n, films, "rf")) for n in "ab")
    assert first == again


@pytest.mark.slow
def test_tuning_is_told_with_every_point(spark, films, tmp_path, monkeypatch):
    if not hasattr(split, "folds"):
        key = F.abs(F.xxhash64("group_id"))
        monkeypatch.setattr(
            split,
            "folds",
            lambda images, by, k, seed: images.withColumn("fold", (key % k).cast("int")),
            raising=False,
        )
    out = trained(spark, tmp_path / "R", films, "dt", tune=True, tune_folds=2)
    tuned = json.loads((out / "metrics.json").read_text())["tuned"]
    losses = {json.dumps(point["setting"]): point["log_loss"] for point in tuned["points"]}
    assert len(losses) == len(catalog.get("dt").grid)
    assert losses[json.dumps(tuned["best"])] == min(losses.values())
    manifest = read_manifest(Output(str(out / "model")))
    assert dict(manifest.setting) == dict(tuned["best"])


def test_an_unknown_head_is_refused_before_any_work(spark, films, tmp_path):
    with pytest.raises(ConfigError, match=r"a head by name. Received: gtb. Did you mean gbt\?"):
        trained(spark, tmp_path / "R", films, "gtb")
    assert not (tmp_path / "R" / "images").exists()


def test_balance_is_refused_for_dense_layers_before_any_work(spark, films, tmp_path):
    with pytest.raises(ConfigError, match="Leave --balance out"):
        trained(spark, tmp_path / "R", films, "mlp", balance=True)
    assert not (tmp_path / "R" / "images").exists()
