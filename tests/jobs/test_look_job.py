"""`look`: the page says what the tables hold, and warns of what a network could read instead."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.featurize import JOB as FEATURIZE
from jobs.ingest import JOB as INGEST
from jobs.look import JOB
from spark_cxr import job
from spark_cxr.errors import InputError
from spark_cxr.verbs.preflight import preflight
from tests.quick import defaults

LOOK = {"films_a_class": 200}


@pytest.fixture(scope="module")
def page(spark, films, tmp_path_factory):
    out = tmp_path_factory.mktemp("look") / "L"
    ingest = {"images": [str(films)], "labels": str(films / "manifest.csv")}
    vectors = str(out.parent / "F")
    made = {"run": {"out": vectors}, "ingest": ingest, "features": {"backbone": "fake"}}
    job.run(FEATURIZE, spark, defaults(**made))
    look = {**LOOK, "vectors": vectors}
    said = job.run(JOB, spark, defaults(run={"out": str(out)}, ingest=ingest, look=look))
    return said, (out / "films.html").read_text()


def rows_of(page, caption):
    table = re.search(rf"<caption>{caption}</caption>(.*?)</table>", page, re.DOTALL)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_counts_are_those_of_the_manifest(page, films):
    with (films / "manifest.csv").open(newline="") as file:
        good = [row for row in csv.DictReader(file) if not row.get("expected_reason")]
    heads, *rows = rows_of(page[1], "Films by class and format")
    assert sum(int(row[-1]) for row in rows) == page[0]["images"] == 60
    labels = sorted({row["label"] for row in good if row["label"]})
    assert [row[0] for row in rows] == labels
    assert {"png", "jpeg", "dicom"} <= set(heads)


def test_the_page_has_a_map_of_the_vectors_without_a_word_of_a_head(page):
    assert "Maps of the vectors" in page[1]
    assert "All 60 films. Of the 10 films nearest" in page[1]
    assert "Mistakes of" not in page[1]


def test_what_is_too_small_is_shown(page, films):
    with (films / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["expected_reason"] == "too_small"]
    assert re.findall(r'alt="file ([^"]*)"', page[1]) == [Path(row["path"]).name for row in rows]
    assert rows


def test_vectors_that_are_not_there_are_refused_before_a_film_is_read(tmp_path):
    cfg = defaults(run={"out": str(tmp_path / "L")}, look={"vectors": str(tmp_path / "none")})
    with pytest.raises(InputError, match="--vectors of a run that ended well"):
        preflight(cfg, JOB.sections)


def test_the_page_has_films_means_and_what_was_set_aside(page):
    said, text = page
    assert said["looked_at"] == 60
    assert text.count("A film of ") == 3 * 12
    assert text.count("Mean film of ") == 3
    assert len(rows_of(text, "Files that are no films to work with")) == 10
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text.count("<script") == 1  # the page's own


@pytest.fixture(scope="module")
def odd(spark, tmp_path_factory):
    """Two classes of which one is dark, and one film under both."""
    folder, draw = tmp_path_factory.mktemp("odd"), np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        (folder / label).mkdir()
        for number in range(14):
            film = np.clip(draw.normal(level, 20, (64, 64)), 0, 255).astype(np.uint8)
            Image.fromarray(film).save(folder / label / f"{number}.png")
    (folder / "light" / "again.png").write_bytes((folder / "dark" / "0.png").read_bytes())
    out = folder.parent / "odd-look"
    ingest = {"images": [str(folder)], "likeness": 1.0}
    said = job.run(INGEST, spark, defaults(run={"out": str(out)}, ingest=ingest, look=LOOK))
    return said, (out / "films.html").read_text()


def test_brightness_that_gives_the_class_away_is_a_warning(odd):
    assert odd[0]["warnings"] >= 2
    assert "brightness of a film alone tells dark from light" in odd[1]


def test_a_film_with_two_labels_is_shown_with_both(odd):
    assert "1 of them has two labels" in odd[1]
    assert "! dark" in odd[1]
    assert "! light" in odd[1]


def test_ingest_can_do_without_the_page(spark, films, tmp_path):
    ingest = {"images": [str(films / "Pneumonia")], "labels": "none"}
    look = {"films_a_class": 0}
    out = {"out": str(tmp_path / "T")}
    said = job.run(INGEST, spark, defaults(run=out, ingest=ingest, look=look))
    assert "looked_at" not in said
    assert not (tmp_path / "T" / "films.html").exists()


def test_films_without_labels_are_one_class(spark, films, tmp_path):
    ingest = {"images": [str(films / "Pneumonia")], "labels": "none"}
    out = {"out": str(tmp_path / "L")}
    said = job.run(JOB, spark, defaults(run=out, ingest=ingest, look=LOOK))
    text = (tmp_path / "L" / "films.html").read_text()
    assert said["looked_at"] == said["images"]
    assert rows_of(text, "Films by class and bits")[1][0] == "(no label)"


def test_rare_classes_are_counted_together(spark, tmp_path):
    draw = np.random.default_rng(1)
    for number in range(30):
        folder = tmp_path / "films" / f"class {number:02d}"
        folder.mkdir(parents=True)
        for film in range(1 + (number < 23)):
            pixels = draw.integers(0, 255, (48, 48), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{film}.png")
    ingest = {"images": [str(tmp_path / "films")], "likeness": 1.0}
    out = {"out": str(tmp_path / "L")}
    job.run(JOB, spark, defaults(run=out, ingest=ingest, look={"films_a_class": 5}))
    text = (tmp_path / "L" / "films.html").read_text()
    rows = {row[0]: int(row[-1]) for row in rows_of(text, "Films by class and format")[1:]}
    assert len(rows) == 24
    assert rows["(all others)"] == 7
    assert "class 22" in rows
