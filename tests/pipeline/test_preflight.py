"""What is refused before a JVM starts: no test here has a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobs import audit, compare, explain, finetune, ingest, score, train, train_lr
from spark_cxr import job
from spark_cxr.errors import SparkCxrError
from spark_cxr.job import Job
from spark_cxr.verbs.preflight import preflight
from tests.quick import defaults

Changes = Mapping[str, Mapping[str, Any]]
CXRNET_INT8 = {"backbone": "CXRNet", "precision": "int8"}


def refusal(asked: Job, **changes: Mapping[str, Any]) -> str:
    with pytest.raises(SparkCxrError) as caught:
        preflight(defaults(**changes), asked.sections)
    return str(caught.value)


@pytest.mark.parametrize(
    ("asked", "changes", "received"),
    [
        (train_lr, {"features": {"backbone": "ResNet51"}}, "ResNet51"),
        (train_lr, {"features": {"backbone": "fake", "engine": "keras"}}, "keras"),
        (train_lr, {"features": {"precision": "int8"}}, "fake"),
        (train_lr, {"features": {**CXRNET_INT8, "engine": "keras"}}, "keras"),
        (train_lr, {"features": {**CXRNET_INT8, "device": "gpu"}}, "a GPU"),
        (finetune, {"features": CXRNET_INT8}, "int8"),
        (score, {"score": {"model": "M", "table": "T", "precision": "int8"}}, "none"),
        (train, {"any_head": {"head": "lrr"}}, "lrr"),
        (train, {"any_head": {"head": "dense"}, "train": {"balance": True}}, "dense"),
        (train_lr, {"train": {"classes": "a=b+b"}}, "b twice"),
        (train_lr, {"train": {"split": "missing.csv"}}, "missing.csv."),
        (train_lr, {"train": {"test_images": ["missing"]}}, "missing."),
        (train_lr, {"train": {"features": "missing"}}, "--features=missing"),
        (train_lr, {"features": {"table": "missing"}}, "--table=missing"),
        (train_lr, {"registry": {"alias": "champion"}}, "--alias=champion"),
        (compare, {"compare": {"heads": "lr,xx"}}, "xx"),
        (compare, {"compare": {"backbones": "fake,xx"}}, "xx"),
        (compare, {"compare": {"splits": "patient,column:source"}}, "patient, column:source"),
        (compare, {"train": {"features": "F"}}, "F"),
        (finetune, {"finetune": {"head": "x"}}, "x"),
        (finetune, {}, "fake"),
        (audit, {"audit": {"same_labels": "a"}}, "a"),
        (audit, {"features": {"cache": "C"}}, "C"),
        (explain, {"explain": {"model": ""}}, "none"),
        (explain, {"explain": {"model": "M"}}, "neither"),
        (score, {"score": {"model": ""}}, "none"),
        (ingest, {"ingest": {"images": ["missing"]}}, "missing."),
        (ingest, {"ingest": {"patient_regex": "("}}, "ingest.patient_regex=("),
        (ingest, {"ingest": {"dataset": "cohem"}}, "ingest.dataset=cohem"),
    ],
)
def test_wrong_command_line_is_refused(asked: Any, changes: Changes, received: str) -> None:
    assert f"{received}" in refusal(asked.JOB, **changes).split("Received: ")[1]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


def of(films: Path, text: str, **settings: Any) -> dict[str, Any]:
    """Give the settings of an ingest of films with this label file."""
    labels = films.parent / "labels.csv"
    labels.write_text(text, encoding="utf-8")
    return {"ingest": {"images": [str(films)], "labels": str(labels), **settings}}


GOOD = "filename,label\na.png,x\nb.png,y\n"


@pytest.mark.parametrize("asked", [ingest, train_lr, compare])
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufefffilename,label\n\na.png,x\nb.png,y\n",
        "filename,label,more\na.png,x\nb.png,y\n",
        f"filename,label\na.png,x\nb.png,{'y' * 200_000}\n",
    ],
    ids=["plain", "with a mark and an empty line", "with short rows", "with a long field"],
)
def test_good_label_file_passes(asked: Any, films: Path, text: str) -> None:
    preflight(defaults(**of(films, text)), asked.JOB.sections)


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("name,x\na.png,x\n", {}, "a column with the label, such as label, labels, class"),
        ("x,label\na.png,x\n", {}, "a column that names the image file, such as path"),
        (GOOD, {"label_column": "finding"}, "a column finding"),
        (GOOD, {"patient_column": "who"}, "a column who"),
        ("filename,label\na.png,x\nb.png,x\n", {}, "at least two classes of images"),
        ("filename,label\n", {}, "at least two classes of images"),
    ],
)
def test_label_file_that_cannot_serve_is_refused(
    films: Path, text: str, settings: dict[str, str], expected: str
) -> None:
    said = refusal(train_lr.JOB, **of(films, text, **settings))
    assert said.startswith(f"Expected {expected}")


def test_class_that_no_row_has_is_refused_and_the_nearest_named(films: Path) -> None:
    said = refusal(train_lr.JOB, **of(films, GOOD), train={"classes": "x,yy"})
    assert said == "Expected --classes among the labels. Received: yy. Did you mean y?"


def test_one_class_is_enough_for_who_does_not_train(films: Path) -> None:
    one = of(films, "filename,label\na.png,x\n")
    preflight(defaults(**one), ingest.JOB.sections)


def test_label_file_that_is_not_there_is_refused(films: Path) -> None:
    missing = {"images": [str(films)], "labels": str(films / "none.csv")}
    said = refusal(ingest.JOB, ingest=missing)
    assert said.startswith("Expected a label file that can be read.")


def test_rules_of_a_data_set_count_for_the_classes(films: Path, tmp_path: Path) -> None:
    described = tmp_path / "set.toml"
    described.write_text(
        'labels = "labels.csv"\n[[rules]]\nmatch = "COVID"\nlabel = "C"\n', encoding="utf-8"
    )
    rows = "filename,label\na.png,COVID-19\nb.png,Pneumonia/COVID\nc.png,todo\n"
    said = refusal(train_lr.JOB, **of(films, rows, dataset=str(described)))
    assert said.startswith("Expected at least two classes of images. Received: C.")


@pytest.mark.parametrize("name", ["HADOOP_CONF_DIR", "DATABRICKS_RUNTIME_VERSION"])
def test_path_that_only_spark_can_find_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "there")
    preflight(defaults(ingest={"images": ["/mnt/films"], "labels": "/mnt/l.csv"}), ("ingest",))


@pytest.mark.parametrize("image", ["s3://bucket/films", "dbfs:/films", "films/*/x"])
def test_path_elsewhere_and_glob_are_left_to_spark(image: str) -> None:
    preflight(defaults(ingest={"images": [image]}), ("ingest",))


def test_refused_command_line_starts_no_session_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object) -> None:
        raise AssertionError("a session")

    monkeypatch.setattr("spark_cxr.pipeline.session.open_session", start)
    out = tmp_path / "R"
    words = ["--out", str(out), "--images", str(tmp_path / "none")]
    assert job.exit_code(train_lr.JOB, words) == 2
    assert capsys.readouterr().err.startswith("train_lr: Expected --images that exist.")
    assert not out.exists()


def test_refused_command_line_keeps_the_result_that_it_was_to_overwrite(tmp_path: Path) -> None:
    from spark_cxr.output import RECORD, Output, open_output

    out = tmp_path / "R"
    open_output(str(out), overwrite=False)
    Output(str(out)).write_json(RECORD, {"versions": {"spark_cxr": "0"}, "status": "ok"})
    (out / "report.html").write_text("old", encoding="utf-8")
    words = ["--out", str(out), "--overwrite", "--images", str(tmp_path / "none")]
    assert job.exit_code(train_lr.JOB, words) == 2
    assert (out / "report.html").exists()
