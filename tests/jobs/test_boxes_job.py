"""The job explain against boxes: of findings on phantoms, and of a label of one-label films."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from explain_models import write_model

import spark_cxr
from jobs.explain import JOB
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.boxes import heat_in_boxes
from spark_cxr.images.film import Box
from spark_cxr.output import Output
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.schemas import HEAT_IN_BOXES, columns
from tests.model.findings_by_hand import findings_model, linear_heads
from tests.quick import defaults

FINDINGS = ("Effusion", "Cardiomegaly", "Mass")


def explained(spark, out, model, images, **asked):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(images)], "labels": "none"},
        explain={"model": model, "pictures": False, **asked},
    )
    return job.run(JOB, spark, cfg)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxed")
    drawing = {"count": 16, "size": 64, "several_findings": ("all",), "formats": ("png", "dicom")}
    phantoms_step(defaults(phantoms=drawing).phantoms, seed=1, output=Output(str(folder)))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("findings") / "model"
    return findings_model(folder, linear_heads(3), thresholds=dict.fromkeys(FINDINGS, 0.5))


@pytest.fixture(scope="module")
def run(spark, phantoms, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("against") / "E"
    return out, explained(spark, out, model, phantoms, boxes=str(phantoms / "boxes.csv"))


@pytest.fixture(scope="module")
def boxes(phantoms):
    """Each film's boxes by finding, in shares of the film: those that the model can be asked of."""
    found = {}
    for row in csv.DictReader((phantoms / "boxes.csv").read_text().splitlines()):
        if row["finding"] in FINDINGS:
            x, y, width, height, across, down = (int(row[key]) for key in list(row)[2:8])
            box = Box(y / down, (y + height) / down, x / across, (x + width) / across)
            film = found.setdefault(Path(row["path"]).name, {"patient": row["patient_id"]})
            film.setdefault(row["finding"], []).append(box)
    return found


def test_films_with_a_box_of_the_models_findings_are_explained(run, boxes):
    out, said = run
    table = pq.read_table(out / "explanations").to_pylist()
    assert {Path(row["path"]).name for row in table} == set(boxes)
    assert 0 < said["files"] == len(boxes) < 16


def test_heat_in_boxes_is_that_of_plain_python(run, boxes, model, phantoms):
    loaded = spark_cxr.load_model(model)
    table = pq.read_table(run[0] / "boxes")
    assert table.column_names == columns(HEAT_IN_BOXES)
    for row in table.to_pylist():
        name, finding = Path(row["path"]).name, row["finding"]
        film = (phantoms / "films" / name).read_bytes()
        why = loaded.explain(film, label=finding)
        heat = heat_in_boxes(why.map, boxes[name][finding], why.film.shape[:2], why.grid)
        found = {key: row[key] for key in ("hit", "inside", "area", "overlap")}
        assert found == pytest.approx(heat.__dict__, abs=1e-6)
        assert row["boxes"] == len(boxes[name][finding])
        assert row["named"] == (why.prediction.probabilities[finding] >= 0.5)


def test_figures_are_means_of_the_table(run, boxes):
    out, said = run
    figures = json.loads((out / "boxes.json").read_text())
    assert said["boxes"] == figures["pooled"]
    rows = pq.read_table(out / "boxes").to_pylist()
    assert {each["finding"] for each in figures["findings"]} == {row["finding"] for row in rows}
    for each in figures["findings"]:
        some = [row for row in rows if row["finding"] == each["finding"]]
        assert each["films"] == len(some)
        assert each["hit_rate"]["value"] == np.mean([row["hit"] for row in some])
        assert each["inside"]["value"] == pytest.approx(np.mean([row["inside"] for row in some]))
        patients = {boxes[Path(row["path"]).name]["patient"] for row in some}
        assert each["groups"] == len(patients)


def test_the_page_has_a_row_a_finding(run):
    page = (run[0] / "contact_sheet.html").read_text()
    assert "<h2>Heat against readers&#x27; boxes</h2>" in page
    for words in ("Effusion", "Cardiomegaly", "All findings", "Times chance"):
        assert words in page


def test_no_patient_of_the_boxes_is_written(run, boxes):
    named = {film["patient"] for film in boxes.values()}
    for path in run[0].rglob("*.json"):
        said = path.read_text()
        assert not any(f'"{patient}"' in said for patient in named)


def test_a_label_of_one_label_films_is_held_against_its_boxes(spark, films, tmp_path):
    model = write_model(tmp_path / "model")
    some = sorted(path.name for path in (films / "Pneumonia").glob("*.jpg"))[:3]
    rows = [f"{name},pneumonia,8,8,32,32" for name in some]
    (tmp_path / "boxes.csv").write_text("\n".join(["name,label,x,y,w,h", *rows]))
    said = explained(
        spark, tmp_path / "E", model, films, boxes=str(tmp_path / "boxes.csv"), limit=2
    )
    assert (said["files"], said["boxes"]["films"]) == (2, 2)
    figures = json.loads((tmp_path / "E" / "boxes.json").read_text())
    assert [each["finding"] for each in figures["findings"]] == ["Pneumonia"]


def test_boxes_of_other_films_or_of_larger_ones_are_refused(spark, phantoms, model, tmp_path):
    (tmp_path / "other.csv").write_text("file,label,x,y,w,h\nnone.png,Mass,1,1,1,1\n")
    with pytest.raises(InputError, match="none of 16 films, and 1 box"):
        explained(spark, tmp_path / "A", model, phantoms, boxes=str(tmp_path / "other.csv"))
    film = next((phantoms / "films").glob("*.png")).name
    (tmp_path / "large.csv").write_text(f"file,label,x,y,w,h\n{film},Mass,500,500,90,90\n")
    with pytest.raises(InputError, match="Say with --boxes-size"):
        explained(spark, tmp_path / "B", model, phantoms, boxes=str(tmp_path / "large.csv"))


def test_what_says_how_boxes_are_read_needs_boxes(spark, phantoms, model, tmp_path):
    with pytest.raises(ConfigError, match="--boxes-size with --boxes"):
        explained(spark, tmp_path / "E", model, phantoms, boxes_size=1024)
