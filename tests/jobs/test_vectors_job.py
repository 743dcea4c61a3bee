"""Vectors go out to others and come back: export, train, compare and score on tables of them."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.compare import JOB as COMPARE
from jobs.featurize import JOB as FEATURIZE
from jobs.score import JOB as SCORE
from jobs.train_lr import JOB as TRAIN_LR
from spark_cxr import config, job
from spark_cxr.errors import ConfigError, InputError, OutputError, SetupError
from spark_cxr.pipeline import export
from spark_cxr.pipeline.export import check_export
from spark_cxr.pipeline.vector_table import KEY, LENGTH, NETWORK
from spark_cxr.verbs.preflight import preflight
from tests.quick import defaults

QUICK = {"resamples": 100, "learning_curve": False, "explained": 0}
FLAGS = ("ingest", "features", "train")


@pytest.fixture(scope="module")
def exported(spark, films, tmp_path_factory):
    """Featurize drawn films with the fake network, and export the vectors."""
    out = tmp_path_factory.mktemp("vectors")
    cfg = defaults(
        run={"out": str(out / "F")},
        ingest={"images": [str(films)], "labels": str(films / "manifest.csv")},
        export={"export": str(out / "fake.parquet")},
    )
    said = job.run(FEATURIZE, spark, cfg)
    assert (said["exported"], said["export_format"]) == (60, "parquet")
    return out


def trained(spark, out, features, ingest=None):
    cfg = config.defaults(
        run={"out": str(out)},
        ingest=ingest or {},
        train={**QUICK, "features": str(features)},
    )
    said = job.run(TRAIN_LR, spark, cfg)
    model = json.loads((out / "model" / "model.json").read_text())
    return said, json.loads((out / "metrics.json").read_text()), model


def test_an_export_says_what_made_it_and_has_each_film_once(exported):
    table = pq.read_table(exported / "fake.parquet")
    made = {row["path"]: row for row in pq.read_table(exported / "F" / "features").to_pylist()}
    people = pq.read_table(exported / "F" / "images").to_pylist()
    assert table.schema.field("features").type.list_size == 128
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    network = json.loads((exported / "F" / "features" / "_network.json").read_text())["network"]
    assert (said[NETWORK], said[KEY], said[LENGTH]) == ("fake", network, "128")
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == sorted(made)
    patients = {row["path"]: row["patient_id"] for row in people}
    for row in rows:
        assert row.pop("patient_id") == patients[row["path"]]
        assert row == made[row["path"]]


def test_vectors_alone_train_and_score(spark, exported, tmp_path):
    table = exported / "fake.parquet"
    said, figures, model = trained(spark, tmp_path / "C", table)
    assert (model["engine"], model["network"], model["backbone"]) == ("table", "", "fake")
    known = model["vectors"]
    assert (known["name"], known["length"], known["key"][:5]) == ("fake", 128, "fake-")
    check_said(said, figures, has_films=False)
    assert model["weights"]["caveat"].startswith("FAKE NETWORK")
    assert any(caveat.startswith("FAKE NETWORK") for caveat in figures["caveats"])
    page = (tmp_path / "C" / "report.html").read_text()
    for words in ("There were no films to compare", "none: vectors made elsewhere"):
        assert words in page
    scored = job.run(SCORE, spark, config.defaults(score={
        "model": str(tmp_path / "C" / "model"), "features": str(table),
        "table": str(tmp_path / "S")}))  # fmt: skip
    assert scored["scored"] == 60


@pytest.mark.slow
def test_findings_stand_in_the_table_of_vectors(spark, exported, tmp_path):
    table = pq.read_table(exported / "fake.parquet").to_pandas()
    table["label"] = ["|".join(("Effusion", "Mass")[n % 2 :: 1 + n % 3]) for n in range(len(table))]
    table.to_parquet(tmp_path / "some.parquet")
    found = {"findings": ["all"]}
    _, _, model = trained(spark, tmp_path / "R", tmp_path / "some.parquet", found)
    assert model["labels"] == ["Effusion", "Mass"]
    told = dict(zip(table["path"], table["label"], strict=True))
    for row in pq.read_table(tmp_path / "R" / "images").to_pylist():
        assert dict(row["findings"]) == {f: f in told[row["path"]] for f in ("Effusion", "Mass")}


def check_said(said, figures, has_films):
    """Hold what a training says of its vectors against whether films lay beside them."""
    assert said["vectors"] == figures["vectors"]
    assert (said["vectors"]["rows"], said["vectors"]["has_films"]) == (60, has_films)
    assert any("made elsewhere" in caveat for caveat in figures["caveats"])
    assert has_films != any("near-dup" in each for each in said["vectors"]["not_checked"])


@pytest.mark.slow
def test_vectors_that_come_back_train_the_same_head(spark, films, exported, tmp_path):
    table, run = exported / "fake.parquet", exported / "F"
    cfg = defaults(run={"out": str(tmp_path / "A")}, train={**QUICK, "features": str(run)})
    job.run(TRAIN_LR, spark, cfg)
    own = json.loads((tmp_path / "A" / "model" / "model.json").read_text())
    labelled = {"images": [str(films)], "labels": str(films / "manifest.csv")}
    said, figures, model = trained(spark, tmp_path / "B", table, labelled)
    _, _, alone = trained(spark, tmp_path / "C", table)
    check_said(said, figures, has_films=True)
    assert said["split"] == "split by patient"
    assert "There were no films" not in (tmp_path / "B" / "report.html").read_text()
    assert own["data"] == model["data"] == alone["data"]
    assert own["files"]["head.npz"] == model["files"]["head.npz"]


def compared(spark, out, features, /, **changes):
    cfg = config.defaults(
        run={"out": str(out)},
        train={**QUICK, "features": str(features)},
        compare={"heads": ["dt"], "folds": 2, "splits": ["patient"], **changes.pop("compare", {})},
        **changes,
    )
    return job.run(COMPARE, spark, cfg)


@pytest.mark.slow
def test_vectors_alone_are_compared(spark, exported, tmp_path):
    said = compared(spark, tmp_path / "C", exported / "fake.parquet")
    assert (said["best"], said["images"]) == ("Decision tree on fake", 60)
    assert not said["vectors"]["has_films"]


@pytest.mark.slow
def test_vectors_are_compared_beside_a_network_on_the_same_films(spark, exported, tmp_path):
    table = pq.read_table(exported / "fake.parquet").slice(0, 50)
    pq.write_table(table, tmp_path / "some.parquet")
    said = compared(
        *(spark, tmp_path / "C", tmp_path / "some.parquet"),
        ingest={"unmatched": "keep"},
        features={"table": str(exported / "F")},
        compare={"backbones": ["fake"]},
    )
    assert (said["images"], said["vectors"]["without"]) == (50, 10)
    assert "fake-table" in (tmp_path / "C" / "comparison.json").read_text()
    first, second = (
        pq.read_table(path).to_pandas().set_index("path").sort_index()
        for path in sorted((tmp_path / "C" / "predictions").iterdir())
    )
    assert first["prediction"].equals(second["prediction"])


# Other forms of an export


def exporting(spark, exported, place, kind):
    cfg = defaults(
        run={"out": str(place.parent / f"{place.name}-F")},
        features={"table": str(exported / "F"), "cache": str(exported / "cache")},
        export={"export": str(place), "export_format": kind},
    )
    return job.run(FEATURIZE, spark, cfg)


def test_an_export_in_numpy_has_a_line_for_each_row(spark, exported, tmp_path):
    said = exporting(spark, exported, tmp_path / "npy", "npy")
    assert (said["exported"], said["export"]) == (60, str(tmp_path / "npy"))
    vectors = np.load(tmp_path / "npy" / "vectors.npy", mmap_mode="r")
    with (tmp_path / "npy" / "keys.csv").open(newline="") as lines:
        keys = list(csv.DictReader(lines))
    table = pq.read_table(exported / "fake.parquet")
    assert (vectors.shape, vectors.dtype) == ((60, 128), np.float32)
    assert vectors.tolist() == table["features"].to_pylist()
    assert [key["path"] for key in keys] == table["path"].to_pylist()
    assert [key["sha256"] for key in keys] == table["sha256"].to_pylist()
    assert json.loads((tmp_path / "npy" / "vectors.json").read_text())[NETWORK] == "fake"


def test_a_folder_of_parquet_has_files_of_a_bounded_size(spark, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "NUMBERS_A_FILE", 25 * 128)
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 10)
    exporting(spark, exported, tmp_path / "P", "parquet")
    parts = sorted((tmp_path / "P").iterdir())
    assert [pq.read_metadata(part).num_rows for part in parts] == [30, 30]
    assert pq.read_table(tmp_path / "P").equals(pq.read_table(exported / "fake.parquet"))


# What is refused before a film is read


def refused(cfg, *sections):
    with pytest.raises((ConfigError, InputError, OutputError, SetupError)) as caught:
        preflight(cfg, sections)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_network_beside_vectors_is_refused(exported):
    vectors = {"features": str(exported / "fake.parquet")}
    named = config.defaults(train=vectors, features={"backbone": "ResNet50"})
    assert "no --backbone with vectors made elsewhere" in refused(named, *FLAGS)
    both = config.defaults(train=vectors, compare={"backbones": ["CXRNet"]})
    assert "Say --images DIR too" in refused(both, *FLAGS, "compare")
    named = config.defaults(train=vectors, registry={"register": "cxr"})
    assert "MLflow would give the model films" in refused(named, *FLAGS)
    films = config.defaults(train={**vectors, "examples": 2})
    assert "no --examples with vectors made elsewhere" in refused(films, *FLAGS)
    gone = config.defaults(train={**vectors, "features_column": "gone"})
    assert "a column gone of vectors" in refused(gone, *FLAGS)
    run = config.defaults(train={"features": str(exported / "F")})
    assert "a comparison without --features" in refused(run, *FLAGS, "compare")


def test_a_place_that_is_taken_is_refused(exported, tmp_path):
    def said(place, kind="parquet", overwrite=False):
        cfg = config.defaults(
            run={"overwrite": overwrite}, export={"export": str(place), "export_format": kind}
        )
        return refused(cfg, "export")

    assert "an --export that is not taken" in said(exported / "fake.parquet")
    (tmp_path / "note.txt").write_text("mine")
    assert "new, empty or of spark_cxr" in said(tmp_path, overwrite=True)
    pq.write_table(
        pq.read_table(exported / "fake.parquet").replace_schema_metadata(), tmp_path / "v.parquet"
    )
    assert "new, empty or of spark_cxr" in said(tmp_path / "v.parquet", overwrite=True)
    assert "a directory as --export" in said(tmp_path / "v.npy", "npy")
    check_export(config.defaults(export={"export": str(exported / "fake.parquet")}).export, True)


def test_lance_is_refused_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    cfg = config.defaults(export={"export": str(tmp_path / "v.lance"), "export_format": "lance"})
    assert "pip install pylance" in refused(cfg, "export")
