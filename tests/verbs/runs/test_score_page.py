"""A table of scores on one page: days, the queue, and the labels that a browser saves from it."""

import csv
import json
import time

import numpy as np
import pytest
from PIL import Image

from spark_cxr import cli
from spark_cxr.verbs.runs.scores import score_report
from spark_cxr.verbs.watch.films import read_late_labels
from tests.serve.browser import CHROMIUM, DRIVER, Browser
from tests.verbs.watch.drawn_scores import START, draw_week, write_course, write_rows


@pytest.fixture
def table(tmp_path):
    """Two weeks of scores, of which three films are known to be the least certain."""
    place = tmp_path / "T"
    write_course(place, 2)
    for number, sure in enumerate((0.41, 0.35, 0.38)):
        film = tmp_path / f'odd, "{number}".png'
        Image.fromarray(np.full((64, 64), 60 * number, np.uint8)).save(film)
        doubtful = {"path": str(film), "confidence": sure, "sha256": f"odd{number}"}
        row = draw_week(1, np.random.default_rng(number), films=1)[0] | doubtful
        write_rows(place, [row], f"odd-{number}")
        write_rows(place, [row | {"modified": START}], f"odd-{number}-touched")
    refused = {"prediction": None, "confidence": None, "probabilities": None, "sha256": "none"}
    write_rows(place, [draw_week(1, np.random.default_rng(9), films=1)[0] | refused], "refused")
    return place


def test_queue_has_the_least_certain_films_each_once_with_its_picture(table):
    queue = score_report(str(table), 4).queue
    assert [film.confidence for film in queue[:3]] == [0.35, 0.38, 0.41]
    assert [film.image[:2] for film in queue] == [b"\xff\xd8"] * 3 + [b""]
    assert len({film.path for film in queue}) == 4


def test_queue_is_of_the_model_that_scored_last(table):
    rows = draw_week(5, np.random.default_rng(0), films=6, model="model-b")
    write_rows(table, rows, "newer")
    queue = score_report(str(table), 50).queue
    assert {film.path for film in queue} == {row["path"] for row in rows}


def test_of_findings_the_nearest_to_a_toss_up_comes_first(tmp_path):
    rows = draw_week(0, np.random.default_rng(0), films=3)
    for row, shares in zip(rows, ((0.9, 0.02), (0.8, 0.45), (0.3, 0.01)), strict=True):
        row["probabilities"] = list(zip(("Mass", "Nodule"), shares, strict=True))
        row["prediction"] = "Mass"
    write_rows(tmp_path / "T", rows)
    report = score_report(str(tmp_path / "T"), 3)
    assert report.is_of_findings
    assert [film.path for film in report.queue] == [rows[n]["path"] for n in (1, 2, 0)]


@pytest.fixture
def run_of_score(table):
    """The records of its runs, by which `runs` knows a table."""
    for stamp, scored in (("20240101-080000-aa", 5), ("20240109-080000-bb", 7)):
        folder = table / "_runs" / stamp
        folder.mkdir(parents=True)
        record = {"job": "score", "status": "ok", "started": "2024", "scored": scored}
        (folder / "run.json").write_text(json.dumps(record))
    return table


def runs(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["runs", str(folder), "--queue", "3"])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def test_a_list_of_runs_has_a_table_with_its_last_run_and_its_page(run_of_score, capsys):
    told = runs(run_of_score, capsys)
    assert (told["models"], told["queue"]) == (1, 3)
    assert runs(run_of_score.parent, capsys)["runs"] == 1
    listed = (run_of_score.parent / "runs.html").read_text()
    assert 'href="T/_scores.html"' in listed
    assert ">7</td>" in listed


def test_days_are_counted_with_what_was_refused(run_of_score, capsys):
    runs(run_of_score, capsys)
    page = (run_of_score / "_scores.html").read_text()
    assert page.index("2024-01-14") < page.index("2024-01-01")
    assert "All days" in page
    # Of the second Monday: 20 films of the week, 3 that were touched, 1 refused, 1 in quarantine.
    assert "2024-01-08</th>" in page


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver")
def test_labels_are_saved_as_a_file_that_evaluate_reads(run_of_score, tmp_path, capsys):
    runs(run_of_score, capsys)
    browser = Browser(tmp_path / "browser")
    try:
        browser.open((run_of_score / "_scores.html").as_uri())
        assert browser.text("#save") == "Save 0 of 3 labels"
        browser.click("fieldset label:first-of-type input")
        browser.click("#queue > div:nth-child(2) label:last-of-type input")
        assert browser.text("#save") == "Save 2 of 3 labels"
        browser.click("#save")
        saved = browser.downloads / "labels.csv"
        ends = time.monotonic() + 20
        while not saved.is_file():
            assert time.monotonic() < ends, "nothing was saved"
            time.sleep(0.1)
    finally:
        browser.close()
    queue = score_report(str(run_of_score), 3).queue
    with saved.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [film.path for film in queue[:2]]
    assert rows[0]["label"] == queue[0].prediction != rows[1]["label"]
    assert len(read_late_labels(str(saved)).keys) == 2
