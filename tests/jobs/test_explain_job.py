"""The job explain: from folders, from tables of predictions, and after a scoring."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from explain_models import write_model
from PIL import Image

import spark_cxr
from jobs.explain import JOB
from jobs.score import JOB as SCORE
from spark_cxr import job
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.decode import decode
from spark_cxr.images.heat import OUTLINE, blend, bounded, levels, outline, place
from spark_cxr.images.lungs import find_lungs
from spark_cxr.schemas import EXPLANATIONS, columns
from tests.quick import defaults


def explained(spark, out, model, images=(), labels="", **asked):
    cfg = defaults(
        run={"out": str(out)},
        ingest={"images": [str(image) for image in images], "labels": labels},
        explain={"model": model, **asked},
    )
    return job.run(JOB, spark, cfg)


def rows(out):
    return {row["path"]: row for row in pq.read_table(out / "explanations").to_pylist()}


def plain(path):
    return Path(path.removeprefix("file:"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("explain") / "model")


@pytest.fixture(scope="module")
def run(spark, films, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("explained") / "E"
    said = explained(spark, out, model, [films], exact=True, longest=80)
    return out, said, rows(out)


def test_each_film_is_explained_and_each_bad_file_has_a_reason(run):
    out, said, found = run
    assert (said["files"], said["explained"], said["quarantined"]) == (69, 60, 9)
    assert said["method"] == "cam"
    assert len(found) == 60
    assert pq.read_table(out / "quarantine").num_rows == 9
    assert pq.read_table(out / "explanations").column_names == columns(EXPLANATIONS)


def test_table_has_the_map_that_plain_python_finds(run, model):
    loaded = spark_cxr.load_model(model)
    for path, row in list(run[2].items())[:6]:
        found = loaded.explain(plain(path).read_bytes())
        assert (row["target"], row["contrast"]) == (found.label, found.contrast)
        assert row["margin"] == pytest.approx(found.margin, abs=1e-6)
        assert (row["map_height"], row["map_width"]) == found.map.shape
        np.testing.assert_allclose(row["map"], found.map.ravel(), atol=1e-5)


def test_truth_is_the_folder_of_a_film(run):
    assert {row["label"] for row in run[2].values()} == {"COVID-19", "No_findings", "Pneumonia"}


def test_overlay_is_film_and_heat_in_the_scale_of_the_run(run):
    out, said, found = run
    assert {row["scale"] for row in found.values()} == {said["scale"]}
    for path, row in found.items():
        film = bounded(decode(plain(path).read_bytes()).pixels, 80)
        field = np.asarray(row["map"]).reshape(row["map_height"], row["map_width"])
        expected = blend(film, levels(place(field, film.shape), row["scale"]))
        drawn = np.asarray(Image.open(out / row["overlay"]))[: film.shape[0], : film.shape[1]]
        lungs = find_lungs(decode(plain(path).read_bytes()).pixels)
        if lungs:
            expected[outline(lungs.mask(film.shape))] = OUTLINE
        np.testing.assert_array_equal(drawn, expected)
        assert (row["heat_on_lungs"] is None) == (lungs is None)


def test_nothing_but_overlays_lies_among_the_overlays(run):
    out, _, found = run
    files = {str(path.relative_to(out)) for path in out.glob("overlays/**/*") if path.is_file()}
    assert files == {row["overlay"] for row in found.values()}


def test_contact_sheet_shows_each_class_and_asks_for_nothing(run):
    page = (run[0] / "contact_sheet.html").read_text()
    for label in ("COVID-19", "No_findings", "Pneumonia"):
        assert f"<h2>{label}, " in page
    assert "Wrong, most certain first" in page
    assert page.count("data:image/jpeg;base64,") > 9
    assert "http" not in page.replace("http-equiv", "")


def test_a_picture_that_is_no_xray_has_heat_for_a_named_label_only(spark, films, model, tmp_path):
    folder = tmp_path / "P"
    folder.mkdir()
    film = next(path for path in sorted(films.glob("**/*.png")) if path.stat().st_size)
    (folder / "film.png").write_bytes(film.read_bytes())
    Image.new("RGB", (96, 96), (220, 0, 0)).save(folder / "photo.png")
    said = explained(spark, tmp_path / "E", model, [folder], labels="none")
    assert (said["files"], said["explained"], said["no_xray"]) == (2, 1, 1)
    found = {plain(path).name: row for path, row in rows(tmp_path / "E").items()}
    photo = found["photo.png"]
    silent = ("prediction", "confidence", "target", "contrast", "margin", "map", "overlay")
    assert [photo[name] for name in silent] == [None] * len(silent)
    assert not photo["probabilities"]
    drawn = [path.name for path in (tmp_path / "E").glob("overlays/*/*.png")]
    assert [name.split("-")[0] for name in drawn] == ["film"]
    explained(spark, tmp_path / "L", model, [folder], labels="none", label="Pneumonia")
    named = {plain(path).name: row for path, row in rows(tmp_path / "L").items()}
    assert named["photo.png"]["overlay"].startswith("overlays/not_an_xray/photo-")
    assert (named["photo.png"]["prediction"], named["photo.png"]["target"]) == (None, "Pneumonia")


@pytest.fixture(scope="module")
def table(spark, films, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored") / "T"
    cfg = defaults(
        score={"model": model, "images": [str(films)], "table": str(folder), "explain": 3}
    )
    return folder, job.run(SCORE, spark, cfg)


def test_condition_picks_rows_of_a_table(spark, table, model, tmp_path):
    scored = pq.read_table(table[0]).to_pylist()
    middle = float(np.median([row["confidence"] for row in scored]))
    wanted = {row["path"] for row in scored if row["confidence"] < middle}
    out = tmp_path / "E"
    said = explained(
        spark, out, model, table=str(table[0]), where=f"confidence < {middle}", pictures=False
    )
    assert set(rows(out)) == wanted
    assert said["explained"] == len(wanted)
    assert not (out / "overlays").exists()
    assert {row["overlay"] for row in rows(out).values()} == {None}


def test_score_explains_the_films_of_least_certainty(table):
    _, said = table
    listed = Path(said["least_certain"]).read_text().splitlines()[1:]
    run = Path(said["out"]) / "explained"
    assert said["explained"] == len(listed) == 3
    assert {row.split(",")[0] for row in listed} == set(rows(run))
    assert len(list(run.glob("overlays/**/*.png"))) == 3


def test_film_that_is_gone_goes_to_the_quarantine(spark, films, model, tmp_path):
    scored = tmp_path / "T"
    film = next(films.glob("Pneumonia/*.png"))
    spark.createDataFrame(
        [(f"file:{film}",), (f"file:{tmp_path}/gone.png",)], "path string"
    ).write.parquet(str(scored))
    said = explained(spark, tmp_path / "E", model, table=str(scored))
    assert (said["explained"], said["quarantined"]) == (1, 1)
    (bad,) = pq.read_table(tmp_path / "E" / "quarantine").to_pylist()
    assert (bad["path"], bad["reason"]) == (f"file:{tmp_path}/gone.png", "unreadable")


def test_label_that_is_asked_for_is_explained_on_every_film(spark, films, model, tmp_path):
    asked = {"label": "Pneumonia", "limit": 5, "method": "gradcam", "scale": 3.5}
    said = explained(spark, tmp_path / "E", model, [films], **asked)
    found = rows(tmp_path / "E").values()
    assert {row["target"] for row in found} == {"Pneumonia"}
    assert said["files"] == 5
    assert (said["method"], said["scale"]) == ("gradcam", 3.5)


def test_trees_are_explained_by_occlusion(spark, films, tmp_path):
    model = write_model(tmp_path / "trees", trees=True)
    said = explained(spark, tmp_path / "E", model, [films], limit=4, pictures=False)
    assert said["method"] == "occlusion"
    assert {len(row["map"]) for row in rows(tmp_path / "E").values()} == {64}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": ""}, "Expected --model DIR. Received: none"),
        ({}, "Expected --images or --table. Received: neither"),
        ({"table": "T", "images": ["x"]}, "Expected --images or --table. Received: both"),
        ({"images": ["x"], "where": "a > 1"}, "Expected --where with a --table. Received: a > 1"),
        ({"label": "pneumonia", "table": "T"}, "Received: pneumonia. Did you mean Pneumonia?"),
    ],
)
def test_wrong_wishes_are_refused_before_any_work(spark, model, tmp_path, asked, message):
    with pytest.raises(ConfigError) as caught:
        explained(spark, tmp_path / "E", **{"model": model, **asked})
    assert message in str(caught.value)


def test_method_that_a_head_rules_out_is_refused(spark, films, tmp_path):
    model = write_model(tmp_path / "trees", trees=True)
    with pytest.raises(ConfigError, match="Received: trees, which no gradient goes through"):
        explained(spark, tmp_path / "E", model, [films], method="cam")


@pytest.mark.parametrize("where", ["confidnce < 0.7", "confidence <", "sum(confidence) > 1"])
def test_condition_that_makes_no_sense_is_refused(spark, table, model, tmp_path, where):
    with pytest.raises(ConfigError, match="Expected a condition on path, sha256, prediction"):
        explained(spark, tmp_path / "E", model, table=str(table[0]), where=where)


def test_condition_that_picks_nothing_is_refused(spark, table, model, tmp_path):
    with pytest.raises(InputError, match="Expected at least one film to explain"):
        explained(spark, tmp_path / "E", model, table=str(table[0]), where="confidence > 1")


def test_run_leaves_its_record(run):
    record = json.loads((run[0] / "run.json").read_text())
    assert (record["job"], record["status"], record["explained"]) == ("explain", "ok", 60)
