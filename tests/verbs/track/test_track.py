"""A run made by hand → a local MLflow store → back."""

import base64
import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from pyarrow import fs
from run_by_hand import LABELS, compared, trained

import spark_cxr
from spark_cxr.config import defaults
from spark_cxr.console import lines_on_stderr
from spark_cxr.model.manifest import digests
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from spark_cxr.verbs.track import run as tracking
from spark_cxr.verbs.track import track


def asked(store, **registry):
    return defaults(track={"mlflow": store, "experiment": "films"}, registry=registry)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def told(store, output):
    cfg = asked(store, register="cxr", alias="challenger")
    return track("train_lr", cfg, output)["mlflow"]


@pytest.fixture(scope="module")
def run(client, told):
    return client.get_run(told["run_id"])


@pytest.fixture(scope="module")
def loaded(store, told):
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model("models:/cxr@challenger")
    mlflow.set_tracking_uri(before)
    return model


@pytest.fixture(scope="module")
def folder(client, told):
    """Find what was logged as the model, beside the database."""
    model = client.get_logged_model(told["model"].removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://"))


@pytest.fixture(scope="module")
def drawn():
    return [phantom.data for phantom in phantoms(6, seed=3, size=64)]


# The run


def test_run_ends_well_in_its_experiment_under_the_name_of_the_model(client, run):
    experiment = client.get_experiment(run.info.experiment_id)
    assert (experiment.name, run.info.run_name, run.info.status) == ("films", "lr-0123", "FINISHED")


def test_params_come_back(run):
    expected = {"head": "lr", "weights.sha256": "b5d5", "data.fingerprint": "4fcb", "seed": "0"}
    assert {name: run.data.params[name] for name in expected} == expected


def test_metrics_come_back(run):
    expected = {"accuracy": 0.75, "accuracy.low": 0.5, "f1.TB _active_": 0.25}
    assert {name: run.data.metrics[name] for name in expected} == expected


def test_settings_that_were_tried_come_back_as_steps(client, run):
    history = client.get_metric_history(run.info.run_id, "tune.log_loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.5), (1, 1.25)]


def test_files_come_back_whole(client, run, output, tmp_path):
    for name in ("metrics.json", "report.html", "run.json"):
        got = Path(client.download_artifacts(run.info.run_id, name, str(tmp_path)))
        assert got.read_bytes() == output.read_bytes(name)


def test_network_that_learned_comes_back_whole(client, run, output, tmp_path):
    got = Path(client.download_artifacts(run.info.run_id, "weights.keras", str(tmp_path)))
    assert got.read_bytes() == output.read_bytes("weights.keras") == b"PK a network"


def test_files_lie_beside_the_database_whatever_the_current_folder(run, store):
    beside = Path(store.removeprefix("sqlite:///")).parent
    assert run.info.artifact_uri.startswith((beside / "mlartifacts" / "films").as_uri())


def test_caveats_are_the_description(run):
    assert run.data.tags["mlflow.note.content"] == "- The films are drawn."


# The model


def test_model_is_registered_under_its_name_and_alias(client, told):
    version = client.get_model_version_by_alias("cxr", "challenger")
    assert told["registered"] == f"models:/cxr/{version.version}"
    assert version.run_id == told["run_id"]


def test_logged_model_says_what_load_model_says(loaded, output, drawn):
    images = pd.DataFrame({"image": [base64.b64encode(film).decode() for film in drawn]})
    rows = loaded.predict(images)
    expected = spark_cxr.load_model(output.table("model")).predict(drawn)
    shares = rows[[f"probability_{label}" for label in LABELS]].to_numpy(float)
    wanted = [[each.probabilities[label] for label in LABELS] for each in expected]
    np.testing.assert_allclose(shares, wanted, atol=1e-6)
    assert rows["label"].tolist() == [each.label for each in expected]


def test_logged_model_takes_paths_and_says_why_a_bad_one_has_no_label(loaded, drawn, tmp_path):
    (tmp_path / "film.png").write_bytes(drawn[0])
    (tmp_path / "bad.png").write_bytes(b"no film")
    paths = [str(tmp_path / name) for name in ("film.png", "bad.png")]
    rows = loaded.predict(pd.DataFrame({"image": paths}))
    assert [label in LABELS for label in rows["label"]] == [True, False]
    assert rows["reason"][0] is None
    assert rows["reason"][1].startswith("not_an_image")


def test_signature_names_the_columns(loaded):
    out = ["label", "confidence", *(f"probability_{label}" for label in LABELS), "reason"]
    signature = loaded.metadata.signature
    assert signature.inputs.input_names() == ["image"]
    assert signature.outputs.input_names() == out
    kinds = [kind.name for kind in signature.outputs.input_types()]
    assert kinds == ["string", *["double"] * 4, "string"]


def test_example_is_logged_and_gets_a_label(loaded):
    example = loaded.input_example
    assert loaded.predict(example)["label"][0] in LABELS


def test_logged_model_holds_data_and_no_code(folder):
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert suffixes & {".py", ".pkl", ".pickle", ".joblib"} == set()
    assert "loader_module: spark_cxr.model.pyfunc" in (folder / "MLmodel").read_text()


def test_requirements_name_this_package_and_little_else(folder):
    assert (folder / "requirements.txt").read_text().split() == [
        f"mlflow=={mlflow.__version__}",
        f"spark-cxr[dicom]=={spark_cxr.__version__}",
    ]


def test_next_version_takes_the_alias(client, store, told, output):
    first = told["registered"]
    next_ = track("train_lr", asked(store, register="other", alias="best"), output)["mlflow"]
    last = track("train_lr", asked(store, register="other", alias="best"), output)["mlflow"]
    assert client.get_model_version_by_alias("other", "best").run_id == last["run_id"]
    assert (first, next_["registered"], last["registered"]) == (
        "models:/cxr/1",
        "models:/other/1",
        "models:/other/2",
    )


def test_without_a_name_the_model_is_logged_and_not_registered(store, output, client):
    before = len(client.search_registered_models())
    told = track("train_lr", asked(store), output)["mlflow"]
    assert told["model"].startswith("models:/")
    assert ("registered" in told, len(client.search_registered_models())) == (False, before)


def test_a_model_on_another_file_system_is_logged_whole(store, output, client, monkeypatch):
    elsewhere = fs.SubTreeFileSystem(output.address, fs.LocalFileSystem())
    monkeypatch.setattr(tracking, "locate", lambda _: (elsewhere, "model"))
    told = track("train_lr", asked(store), output)["mlflow"]
    model = client.get_logged_model(told["model"].removeprefix("models:/"))
    logged = Output(f"{model.artifact_location.removeprefix('file://')}/data/model")
    assert digests(logged) == digests(Output(output.table("model")))
    assert logged.read_bytes("model.json") == output.read_bytes("model/model.json")


# A comparison


@pytest.fixture(scope="module")
def comparison(store, tmp_path_factory):
    return track("compare", asked(store), compared(tmp_path_factory.mktemp("compared")))["mlflow"]


@pytest.fixture(scope="module")
def rows(client, comparison):
    parent = f"tags.mlflow.parentRunId = '{comparison['run_id']}'"
    found = client.search_runs([comparison["experiment_id"]], parent)
    return {run.info.run_name: run for run in found}


def test_a_comparison_has_a_run_below_it_for_each_row_and_split(rows):
    assert set(rows) == {
        "Random forest on fake by patient",
        "Random forest on fake by image",
        "Decision tree on fake by patient",
    }


def test_folds_of_a_comparison_are_steps(client, rows):
    run = rows["Random forest on fake by patient"]
    history = client.get_metric_history(run.info.run_id, "fold.accuracy")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (1, 0.75), (2, 1.0)]


def test_a_comparison_keeps_its_table_and_has_no_model(client, comparison):
    names = {item.path for item in client.list_artifacts(comparison["run_id"])}
    assert names == {"comparison.json", "run.json"}
    assert set(comparison) == {"run_id", "experiment_id"}


# The process


def test_the_store_of_the_process_is_as_before(store, output, tmp_path, monkeypatch):
    theirs = f"sqlite:///{tmp_path}/theirs.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", theirs)
    track("train_lr", asked(store), output)
    assert mlflow.get_tracking_uri() == theirs


def test_session_means_the_store_that_the_environment_names(store, output, client, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    told = track("train_lr", asked("session"), output)["mlflow"]
    assert client.get_run(told["run_id"]).info.status == "FINISHED"


def test_stdout_is_left_to_the_line_of_json(store, output, capsys):
    track("train_lr", asked(store), output)
    assert capsys.readouterr().out == ""


def test_what_was_told_where_is_said_in_one_line(store, output, capsys):
    with lines_on_stderr():
        told = track("train_lr", asked(store), output)["mlflow"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train_lr:")]
    assert len(lines) == 1
    assert store in lines[0]
    assert told["run_id"] in lines[0]


def test_without_mlflow_nothing_is_told(output):
    assert track("train_lr", defaults(), output) == {}


# What goes wrong


def test_a_store_that_fails_is_one_line_and_no_error(output, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with lines_on_stderr():
        told = track("train_lr", asked("http://127.0.0.1:9"), output)
    assert "127.0.0.1" in told["mlflow"]["error"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train_lr:")]
    assert len(lines) == 1
    assert lines[0].startswith("train_lr: MLflow was not told, or not of all: ")
    assert lines[0].endswith(f"The result in {output.address} is complete.")


def test_a_run_whose_model_cannot_be_logged_is_marked_as_failed(store, client, tmp_path):
    output = trained(tmp_path)
    Path(output.table("model"), "head.npz").write_bytes(b"changed")
    cfg = defaults(track={"mlflow": store, "experiment": "broken"}, registry={"register": "x"})
    assert "head.npz, changed since" in track("train_lr", cfg, output)["mlflow"]["error"]
    experiment = client.get_experiment_by_name("broken").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["FAILED"]
    assert client.search_model_versions("name='x'") == []


def test_metrics_that_are_no_json_lose_nothing(store, tmp_path, capsys):
    output = trained(tmp_path)
    output.write_text("metrics.json", "{")
    assert "error" in track("train_lr", asked(store), output)["mlflow"]
    assert json.loads(output.read_bytes("run.json"))["status"] == "ok"
