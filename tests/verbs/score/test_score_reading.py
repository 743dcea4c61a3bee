"""How a batch is read: in halves where a worker dies, once more where a file was gone."""

import os
import signal
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from scoring_table import names, rows
from test_score_once import SETTINGS, scored

from spark_cxr.output import Output
from spark_cxr.pipeline import scorer
from spark_cxr.pipeline.folders import Walk, time_and_size
from spark_cxr.pipeline.sources import Listing
from spark_cxr.verbs.score.arrivals import Arrival
from spark_cxr.verbs.score.batch import ScoringRun
from spark_cxr.verbs.score.reading import FilesVanished, WorkerDeath, look_in_halves
from spark_cxr.verbs.score.results import Totals
from spark_cxr.verbs.score.run import score_new
from spark_cxr.verbs.score.table import ParquetTable


@pytest.fixture
def there(tmp_path):
    """Give a function that makes files, and the arrivals that they are."""

    def make(*names):
        for name in names:
            (tmp_path / name).write_bytes(b"film " + name.encode())
        return [Arrival(f"file:{tmp_path}/{name}", 1, 9) for name in names]

    return make


def read(file):
    data = Path(file.path.removeprefix("file:")).read_bytes()
    return scored(file, time_and_size(file.path), data)


def deadly(pills, calls):
    """Make a reader whose worker dies of some files."""

    def look(files):
        calls.append(len(files))
        if any(file.path.endswith(pills) for file in files):
            raise WorkerDeath
        return [read(file) for file in files]

    return look


def test_a_file_that_ends_its_worker_costs_no_other_its_row(there):
    files, calls = there(*(f"{i:02d}.png" for i in range(64))), []
    found = look_in_halves(deadly(("07.png", "50.png"), calls), files)
    assert sorted(file.path for file in found) == [file.path for file in files]
    ended = {file.path[-6:]: file.reason for file in found if file.reason}
    assert ended == dict.fromkeys(("07.png", "50.png"), "ended_its_reader")
    assert len(calls) < 30


def test_a_worker_that_dies_once_costs_nothing(there):
    files, calls = there("a.png", "b.png"), []

    def look(some):
        calls.append(len(some))
        if len(calls) in (1, 2):
            raise WorkerDeath
        return [read(file) for file in some]

    assert [file.reason for file in look_in_halves(look, files)] == [None, None]


def test_where_nothing_can_be_read_no_film_is_blamed(there):
    """A network that crashes must not set a whole folder aside for ever."""
    with pytest.raises(WorkerDeath):
        look_in_halves(deadly((".png",), []), there(*(f"{i}.png" for i in range(40))))


def test_bad_files_alone_are_set_aside(there):
    found = look_in_halves(deadly((".png",), []), there("a.png", "b.png"))
    assert {file.reason for file in found} == {"ended_its_reader"}


def test_what_vanishes_and_what_spark_does_not_find_is_missing(there, tmp_path):
    files = there("a.png", "b.png", "c.png", "d.png")
    (tmp_path / "b.png").unlink()

    def look(some):
        if any(file.path.endswith(("b.png", "c.png")) for file in some):
            raise FilesVanished
        return [read(file) for file in some]

    assert sorted(f.path[-5:] for f in look_in_halves(look, files)) == ["a.png", "d.png"]


# Passes over one file, with a reader that is disturbed


@pytest.fixture
def one_pass(tmp_path):
    """Give a function that does a pass over the folder `in`."""
    numbers = count()
    (tmp_path / "in").mkdir()

    def do(look):
        table = ParquetTable(Output(str(tmp_path / "T")))
        settings = replace(SETTINGS, table=str(tmp_path / "T"))
        run = ScoringRun(settings, "m", table, f"run{next(numbers)}", look)
        walk = Walk()
        walk.below(str(tmp_path / "in"))
        listing = Listing(tuple(walk.files), walk.passed_over, ())
        score_new(run, listing, Totals(), count(1), threading.Event())

    return do


def plain(files):
    return [read(file) for file in files]


def put(path, data, seconds):
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))


def test_a_film_that_is_away_at_every_look_is_scored_when_it_stays(one_pass, tmp_path):
    film, away = tmp_path / "in" / "a.png", tmp_path / "away"
    put(film, b"film", 1_700_000_000)

    def look(_):
        film.rename(away)
        return []

    for _ in range(3):
        one_pass(look)
        away.rename(film)
    assert names(tmp_path / "T", "_quarantine") == []
    one_pass(plain)
    assert names(tmp_path / "T") == ["a.png"]


def test_a_film_that_was_swapped_for_another_while_it_was_read_gets_its_row(one_pass, tmp_path):
    film, away = tmp_path / "in" / "a.png", tmp_path / "away"
    put(film, b"film 1", 1_700_000_000)

    def look(files):
        (there,) = (time_and_size(file.path) for file in files)  # Spark looks, and then reads
        film.rename(away)
        put(film, b"film 2", 1_700_000_001)
        return [scored(files[0], there, film.read_bytes())]

    one_pass(look)
    away.rename(film)
    one_pass(plain)
    assert len({row["sha256"] for row in rows(tmp_path / "T")}) == len(rows(tmp_path / "T")) == 2


def test_a_bad_file_that_is_touched_all_the_time_is_set_aside_at_its_second_look(
    one_pass, tmp_path
):
    bad = tmp_path / "in" / "a.png"
    for second in range(5):
        put(bad, b"bad", 1_700_000_000 + second)
        one_pass(plain)
    assert names(tmp_path / "T", "_quarantine") == ["a.png"]
    assert names(tmp_path / "T", "_waiting") == ["a.png"]


def test_a_film_that_takes_the_place_of_a_bad_file_while_it_is_read_gets_its_row(
    one_pass, tmp_path
):
    """The bad file's second look must not set the film's content aside."""
    file = tmp_path / "in" / "a.png"
    put(file, b"bad", 1_700_000_000)
    one_pass(plain)

    def look(files):
        put(file, b"film", 1_700_000_001)
        return plain(files)

    one_pass(look)
    one_pass(plain)
    assert names(tmp_path / "T", "_quarantine") == []
    assert names(tmp_path / "T") == ["a.png"]


# On Spark


def test_a_film_that_kills_its_python_worker_is_set_aside_alone(
    score, folder, tmp_path, monkeypatch
):
    (folder / "pill.png").write_bytes(b"a pill")
    for spare in sorted((folder / "deep er").iterdir())[2:]:
        spare.unlink()
    over_films = scorer.over_films

    def over_deadly_films(table, make, ddl, watch):
        def deadly_pass():
            film_pass = make()

            def open_(file):
                if file.read() == b"a pill":
                    os.kill(os.getpid(), signal.SIGKILL)
                return film_pass.open(file)

            return replace(film_pass, open=open_)

        return over_films(table, deadly_pass, ddl, watch)

    monkeypatch.setattr(scorer, "over_films", over_deadly_films)
    said = score()
    assert (said["scored"], said["quarantined"], said["waiting"]) == (2, 1, 0)
    assert said["reasons"] == {"ended_its_reader": 1}
    assert names(tmp_path / "T", "_quarantine") == ["pill.png"]
    assert score()["arrived"] == 0


def test_a_film_that_was_touched_is_still_to_be_scored_by_another_model(
    score, folder, tmp_path, other_model
):
    score()
    os.utime(folder / "deep er" / "a.png", (1_000_000_000, 1_000_000_000))
    assert score(model=other_model)["same_content"] == 1
    assert score(model=other_model, rescore=True)["scored"] == 6
    assert len(rows(tmp_path / "T")) == 12
