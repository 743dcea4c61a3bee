"""A run that is refused or killed: what it leaves, and how the mended command goes on."""

import csv
import json
import stat

import pyarrow.parquet as pq
import pytest

from jobs.featurize import JOB as FEATURIZE
from jobs.ingest import JOB as INGEST
from jobs.train_lr import JOB as TRAIN_LR
from spark_cxr import job
from spark_cxr.errors import InputError
from spark_cxr.output import KEY, PARTS, Output
from spark_cxr.pipeline import label_table, labels
from spark_cxr.pipeline.phantom_films import phantoms_step
from tests.quick import defaults

N = 24
QUICK = {"resamples": 100, "learning_curve": False, "explained": 0}


def trained(spark, out, train, **changed):
    return job.run(TRAIN_LR, spark, defaults(run={"out": str(out)}, train=QUICK | train, **changed))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Draw a few films of several patients."""
    folder = tmp_path_factory.mktemp("few")
    drawing = {"count": N, "size": 64, "formats": ("png", "dicom"), "marker": "none"}
    phantoms_step(defaults(phantoms=drawing).phantoms, seed=0, output=Output(str(folder)))
    return folder


@pytest.fixture(scope="module")
def crossing(films, tmp_path_factory):
    """Write a split that puts patients on both sides."""
    path = tmp_path_factory.mktemp("split") / "split.csv"
    with (films / "manifest.csv").open(newline="") as file:
        names = [row["path"] for row in csv.DictReader(file)]
    sides = ("train", "test")
    lines = [f"{name},{sides[i % 2]}" for i, name in enumerate(names)]
    path.write_text("\n".join(["path,split", *lines]), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def refused(spark, films, crossing, tmp_path_factory):
    """Train with a split that is refused when the vectors are made; give --out and the error."""
    out = tmp_path_factory.mktemp("refused") / "R"
    with pytest.raises(InputError) as caught:
        trained(spark, out, {"split": crossing}, ingest=labelled(films))
    return out, str(caught.value)


def labelled(films):
    return {"images": [str(films)], "labels": str(films / "manifest.csv")}


def test_refusal_after_the_pass_says_that_the_vectors_are_kept(refused):
    out, said = refused
    kept = f"The vectors are kept: say --features {out} in place of --images, with another --out."
    assert said.startswith("Expected patients and twins on one side of the split.")
    assert said.endswith(kept)
    assert json.loads((out / "run.json").read_text())["error"] == said


def test_mended_command_goes_on_from_the_vectors(spark, refused, crossing, tmp_path):
    out, _ = refused
    said = trained(
        spark, tmp_path / "S", {"split": crossing, "crossing": "keep", "features": str(out)}
    )
    assert (said["status"], said["images"]) == ("ok", N)
    assert not (tmp_path / "S" / "features").exists()


def test_mended_command_takes_the_place_of_the_refused_one(spark, films, refused, crossing, capsys):
    out, _ = refused
    said = trained(spark, out, {"split": crossing, "crossing": "keep"}, ingest=labelled(films))
    assert said["status"] == "ok"
    assert f"train_lr: takes the place of the run that failed in {out}\n" in capsys.readouterr().err


def test_labels_that_do_not_fit_leave_no_directory(spark, films, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\nnone.png,a\nno.png,b\n", encoding="utf-8")
    asked = {"images": [str(films)], "labels": str(tmp_path / "labels.csv")}
    with pytest.raises(InputError, match="for each image and back"):
        job.run(INGEST, spark, defaults(run={"out": str(tmp_path / "T")}, ingest=asked))
    assert not (tmp_path / "T").exists()


@pytest.fixture
def kept(monkeypatch):
    """Let nothing be removed that is needed on the way only, as if each run were killed."""
    monkeypatch.setattr(Output, "remove", lambda *_: None)


def steps(out):
    return [path for path in out.iterdir() if path.name.startswith("_step_")]


def test_label_file_is_read_once_by_an_ingest(spark, films, tmp_path, monkeypatch):
    reads, read = [], label_table.read_rows
    monkeypatch.setattr(
        label_table, "read_rows", lambda *a, **more: reads.append(a[1]) or read(*a, **more)
    )
    checked, check = [], labels.check_labels
    monkeypatch.setattr(
        labels,
        "check_labels",
        lambda rows, path: checked.append(rows.inputFiles()) or check(rows, path),
    )
    job.run(INGEST, spark, defaults(run={"out": str(tmp_path / "T")}, ingest=labelled(films)))
    assert reads == [str(films / "manifest.csv")]
    assert checked == [[]], "rows that are kept in memory come from no file"


def test_tables_on_the_way_are_for_their_owner_alone(spark, films, tmp_path, kept):
    out = tmp_path / "T"
    job.run(INGEST, spark, defaults(run={"out": str(out)}, ingest=labelled(films)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in steps(out)} == {0o700}
    assert stat.S_IMODE((out / KEY).stat().st_mode) == 0o600


def test_films_that_are_ingested_already_get_no_pseudonyms(spark, films, tmp_path, kept):
    table, out = tmp_path / "T", tmp_path / "F"
    job.run(INGEST, spark, defaults(run={"out": str(table)}, ingest={"images": [str(films)]}))
    assert any(pq.read_table(table / "images")["patient_id"].to_pylist())
    job.run(FEATURIZE, spark, defaults(run={"out": str(out)}, features={"table": str(table)}))
    (rows,) = [path for path in (out / PARTS).iterdir() if path.is_dir()]
    patients = pq.read_table(rows)["patient_id"].to_pylist()
    assert (len(patients), set(patients)) == (N, {None})
