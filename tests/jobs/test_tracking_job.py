"""Training jobs with --mlflow, from films to a registered model."""

import json
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import spark_cxr
from jobs import train_dt
from spark_cxr import job
from spark_cxr.job import Job, exit_code
from spark_cxr.output import Outcome
from tests.quick import defaults


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("tracked") / "R"


@pytest.fixture(scope="module")
def told(spark, films, store, out):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        train={"resamples": 100, "learning_curve": False, "explained": 0},
        track={"mlflow": store, "experiment": "films"},
        registry={"register": "cxr_dt", "alias": "challenger"},
    )
    return job.run(train_dt.JOB, spark, cfg)


@pytest.fixture(scope="module")
def run(store, told):
    return mlflow.MlflowClient(store).get_run(told["mlflow"]["run_id"])


def written(out, name):
    return json.loads((out / name).read_text(encoding="utf-8"))


def test_training_tells_mlflow_what_stands_in_metrics_json(run, out):
    figures = written(out, "metrics.json")
    names = ("accuracy", "f1_macro", "log_loss", "n_train", "n_test", "quarantined")
    assert {name: run.data.metrics[name] for name in names} == {
        name: figures[name] for name in names
    }
    assert {name: run.data.params[name] for name in ("head", "split", "backbone")} == {
        "head": "dt",
        "split": "split by patient",
        "backbone": "fake",
    }


def test_training_names_the_data_as_its_model_does(run, out):
    model = written(out / "model", "model.json")
    assert run.data.params["data.fingerprint"] == model["data"]
    assert run.data.params["weights.sha256"] == model["weights"]["sha256"]


def test_record_that_mlflow_has_says_ok_and_is_the_one_of_this_run(run, out, store, tmp_path):
    client = mlflow.MlflowClient(store)
    path = client.download_artifacts(run.info.run_id, "run.json", str(tmp_path))
    kept = json.loads(Path(path).read_text(encoding="utf-8"))
    own = written(out, "run.json")
    assert own.pop("mlflow")["run_id"] == run.info.run_id
    assert (kept["status"], kept) == ("ok", own)


def test_registered_model_says_of_each_film_what_spark_said(told, store, out, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    loaded = mlflow.pyfunc.load_model("models:/cxr_dt@challenger")
    spark_said = pq.read_table(out / "predictions").to_pylist()
    rows = loaded.predict(pd.DataFrame({"image": [row["path"] for row in spark_said]}))
    for row, said in zip(rows.to_dict(orient="records"), spark_said, strict=True):
        shares = {label: row[f"probability_{label}"] for label, _ in said["probabilities"]}
        assert shares == pytest.approx(dict(said["probabilities"]), abs=1e-6)
    assert told["mlflow"]["alias"] == "models:/cxr_dt@challenger"


def test_way_to_run_it_again_names_the_store(told, out, store):
    assert f"--mlflow {store}" in (out / "report.html").read_text(encoding="utf-8")
    assert told["status"] == "ok"


# A store that breaks while the job runs


def breaking(target):
    """Make a job that has its result, and a store that has become something else meanwhile."""

    def run(_, cfg, output):
        output.write_json("metrics.json", {"accuracy": 0.5, "caveats": []})
        target.write_bytes(b"no database any more" * 100)
        return Outcome({"accuracy": 0.5}, "done")

    return Job("fake", "Do as a test says", ("track", "registry"), run, needs_spark=False)


def test_a_store_that_breaks_loses_no_training(tmp_path, capsys):
    database, out = tmp_path / "mlflow.db", tmp_path / "R"
    words = ["--out", str(out), "--mlflow", f"sqlite:///{database}"]
    assert exit_code(breaking(database), words) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["status"], told["accuracy"]) == ("ok", 0.5)
    assert "error" in told["mlflow"]
    record = written(out, "run.json")
    assert (record["status"], "error" in record["mlflow"]) == ("ok", True)
    assert written(out, "metrics.json")["accuracy"] == 0.5


def test_a_store_that_does_not_answer_is_refused_before_out_is_touched(tmp_path, capsys):
    out = tmp_path / "R"
    job_ = breaking(tmp_path / "never")
    assert exit_code(job_, ["--out", str(out), "--mlflow", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err.startswith("fake: Expected an MLflow store that answers.")
    assert not out.exists()


def test_version_of_the_package_is_the_version_of_the_run(run):
    assert run.data.tags["spark_cxr.version"] == spark_cxr.__version__
