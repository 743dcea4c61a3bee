"""The verb similar: a table, a page, and what it refuses; without Spark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.similar import JOB
from spark_cxr import job
from spark_cxr.backbones.featurize import featurize
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.film_pass import Content
from spark_cxr.model.manifest import Origin
from spark_cxr.output import VECTORS
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.schemas import NEIGHBOURS, QUARANTINE
from spark_cxr.verbs.similar import run as similar_run
from tests.model.run_with_vectors import run_with_vectors
from tests.quick import defaults, fake_plan
from tests.report.outline import read
from tests.serve.made_model import made_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave 24 films, their vectors, and a model beside these."""
    root = tmp_path_factory.mktemp("similar")
    drawn = list(phantoms(24, seed=6, size=96, formats=("png", "jpeg", "dicom")))
    rows: list[dict[str, Any]] = []
    vectors = featurize([film.data for film in drawn], fake_plan())
    (root / "films").mkdir()
    for number, (film, vector) in enumerate(zip(drawn, vectors, strict=True)):
        path = root / "films" / f"secret-{number:02}.{film.format}"
        path.write_bytes(film.data)
        rows.append(
            {
                "path": f"file:{path}",
                "sha256": Content(film.data).sha256,
                "label": film.label,
                "source": "phantom",
                "features": np.asarray(vector).tolist(),
            }
        )
    run_with_vectors(root / "R", rows)
    fake_model(root / "R" / "model")
    return root


def fake_model(folder: Path) -> None:
    """Leave a model of the very network that made the vectors."""
    weights = fake_plan().network.weights
    origin = Origin(weights.kind, weights.sha256, weights.origin, weights.licence, "")
    made_model(folder, weights=origin)


def similar(trained: Path, out: Path, **settings: Any) -> tuple[dict[str, Any], list[Any], str]:
    given = {"images": [str(trained / "films" / "secret-03.png")], "count": 5, **settings}
    said = job.run(JOB, None, defaults(run={"out": str(out)}, similar=given))
    rows = pq.read_table(out / "neighbours").to_pylist()
    return said, rows, (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("by", ["model", "features", "both"])
def test_a_film_of_the_run_has_its_neighbours_and_not_itself(
    by: str, trained: Path, tmp_path: Path
) -> None:
    model, run = str(trained / "R" / "model"), str(trained / "R")
    given = {"model": {"model": model}, "features": {"features": run}}
    settings = given.get(by, {"model": model, "features": run})
    said, rows, _ = similar(trained, tmp_path / "S", **settings)
    assert (said["films"], said["quarantined"]) == (1, 0)
    assert [row["place"] for row in rows] == [1, 2, 3, 4, 5]
    assert all("secret-03" not in row["path"] for row in rows)
    assert [row["cosine"] for row in rows] == sorted((row["cosine"] for row in rows), reverse=True)


def test_the_network_of_a_run_without_a_model_is_made_anew(trained: Path, tmp_path: Path) -> None:
    rows = pq.read_table(trained / "R" / "features").to_pylist()
    plain = run_with_vectors(tmp_path / "F", rows)
    _, found, _ = similar(trained, tmp_path / "S", features=plain.address)
    _, other, _ = similar(trained, tmp_path / "T", model=str(trained / "R" / "model"))
    assert found == other


def test_vectors_that_a_training_took_of_another_run_are_found(
    trained: Path, tmp_path: Path
) -> None:
    fake_model(tmp_path / "R2" / "model")
    config = {"train": {"features": str(trained / "R")}}
    record = {"status": "ok", "versions": {"spark_cxr": "x"}, "config": config}
    (tmp_path / "R2" / "run.json").write_text(json.dumps(record))
    _, rows, _ = similar(trained, tmp_path / "S", model=str(tmp_path / "R2" / "model"))
    assert len(rows) == 5


def test_the_page_shows_the_film_beside_its_neighbours(trained: Path, tmp_path: Path) -> None:
    _, rows, page = similar(trained, tmp_path / "S", features=str(trained / "R"))
    outline = read(page)
    assert outline.tags.count("img") == 6
    assert "left out" in outline.text
    assert "Not for diagnosis" in outline.text
    shown = re.findall(r"cosine (\d\.\d{4})", outline.text)
    assert shown == [f"{row['cosine']:.4f}" for row in rows]


def test_pages_do_without_pictures(trained: Path, tmp_path: Path) -> None:
    settings = {"features": str(trained / "R"), "pictures": False}
    _, _, page = similar(trained, tmp_path / "S", **settings)
    assert read(page).tags.count("img") == 0


def test_a_film_that_is_gone_has_no_picture(trained: Path, tmp_path: Path) -> None:
    rows = pq.read_table(trained / "R" / "features").to_pylist()
    moved = [{**row, "path": f"file:/nowhere/{n:02}.png"} for n, row in enumerate(rows)]
    run = run_with_vectors(tmp_path / "F", moved)
    _, _, page = similar(trained, tmp_path / "S", features=run.address)
    assert read(page).tags.count("img") == 1


def test_tables_have_the_columns_that_are_promised(trained: Path, tmp_path: Path) -> None:
    similar(trained, tmp_path / "S", features=str(trained / "R"))
    for name, ddl in (("neighbours", NEIGHBOURS), ("quarantine", QUARANTINE)):
        found = pq.read_table(tmp_path / "S" / name).schema
        assert found.remove_metadata() == arrow_schema(ddl).remove_metadata()


def test_a_folder_is_taken_film_by_film_and_what_is_none_goes_to_the_quarantine(
    trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for number, film in enumerate(phantoms(3, seed=9, size=96, formats=("png",))):
        (folder / f"{number}.png").write_bytes(film.data)
    (folder / "note").write_text("no film")
    settings = {"features": str(trained / "R"), "images": [str(folder)]}
    said, rows, page = similar(trained, tmp_path / "S", **settings)
    assert (said["films"], said["quarantined"], len(rows)) == (4, 1, 15)
    (bad,) = pq.read_table(tmp_path / "S" / "quarantine").to_pylist()
    assert (bad["path"], bad["reason"]) == (f"file:{folder}/note", "not_an_image")
    assert "1 file could not be read as films" in read(page).text


def test_the_same_films_give_the_same_page(trained: Path, tmp_path: Path) -> None:
    pages = []
    for name in ("S", "T"):
        _, _, page = similar(trained, tmp_path / name, features=str(trained / "R"))
        pages.append(re.sub(r"<dt>Time</dt><dd>.*?</dd>", "", page))
    assert pages[0] == pages[1]


# What is refused


def refusal(trained: Path, out: Path, **settings: Any) -> str:
    with pytest.raises((ConfigError, InputError)) as caught:
        similar(trained, out, **settings)
    return str(caught.value)


def test_a_run_without_films_or_without_vectors_is_refused(trained: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "S", str(trained / "R")
    assert refusal(trained, out, images=[], features=run).startswith("Expected --images FILM")
    assert refusal(trained, out).startswith("Expected --model or --features. Received: neither")
    nowhere = refusal(trained, out, features=run, images=[f"{tmp_path}/none"])
    assert nowhere.startswith("Expected 1 to 100 films in --images. Received: 0 in ")
    assert "a run that left vectors" in refusal(trained, out, features=str(tmp_path))
    assert not out.exists()


def test_a_model_without_vectors_beside_it_is_refused(trained: Path, tmp_path: Path) -> None:
    fake_model(tmp_path / "R2" / "model")
    said = refusal(trained, tmp_path / "S", model=str(tmp_path / "R2" / "model"))
    assert said.endswith("Name the run that has them with --features.")


def test_vectors_of_another_network_are_refused(trained: Path, tmp_path: Path) -> None:
    rows = pq.read_table(trained / "R" / "features").to_pylist()
    other = run_with_vectors(tmp_path / "F", rows, key="ResNet50-0123456789abcdef-f32")
    model = str(trained / "R" / "model")
    said = refusal(trained, tmp_path / "S", model=model, features=other.address)
    assert "Received: those of ResNet50-0123456789abcdef-f32" in said


def test_a_network_in_int8_needs_its_model(trained: Path, tmp_path: Path) -> None:
    rows = pq.read_table(trained / "R" / "features").to_pylist()
    run = run_with_vectors(tmp_path / "F", rows)
    record = json.loads((tmp_path / "F" / "run.json").read_text())
    record["config"]["features"]["precision"] = "int8"
    (tmp_path / "F" / "run.json").write_text(json.dumps(record))
    assert "Add --model" in refusal(trained, tmp_path / "S", features=run.address)


def test_too_many_films_are_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spark_cxr.verbs.similar.films.MOST_FILMS", 3)
    settings = {"features": str(trained / "R"), "images": [str(trained / "films")]}
    assert "Received: 24 in " in refusal(trained, tmp_path / "S", **settings)


def test_a_run_of_bad_films_alone_fails_and_leaves_the_quarantine(
    trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "note").write_text("no film")
    out, features = tmp_path / "S", str(trained / "R")
    said = refusal(trained, out, features=features, images=[f"{tmp_path}/note"])
    assert "not_an_image" in said
    assert len(pq.read_table(out / "quarantine")) == 1


def test_the_console_counts_the_films_that_it_does_not_list(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = similar_run.SHOWN
    settings = {"features": str(trained / "R"), "images": [str(trained / "films")], "count": 1}
    similar(trained, tmp_path / "S", pictures=False, **settings)
    assert f"and {24 - shown} films more" in capsys.readouterr().err
    assert (trained / "R" / VECTORS).is_file()
