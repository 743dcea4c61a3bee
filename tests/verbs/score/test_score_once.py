"""Exactly once: whatever happens to files while passes run, each present content has one row.

The listing, the table and the commit are the real ones; the model is a digest, so that a thousand
schedules take seconds. `test_score_touched.py` does a few of them on Spark.
"""

import hashlib
import os
import random
import shutil
import threading
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spark_cxr import output
from spark_cxr.config import defaults
from spark_cxr.output import Output
from spark_cxr.pipeline.folders import Walk, time_and_size
from spark_cxr.pipeline.scorer import ScoredFile
from spark_cxr.pipeline.sources import Listing
from spark_cxr.verbs.score.batch import ScoringRun
from spark_cxr.verbs.score.reading import FilesVanished, WorkerDeath
from spark_cxr.verbs.score.results import Totals
from spark_cxr.verbs.score.run import score_new
from spark_cxr.verbs.score.table import QUARANTINED, SCORED, ParquetTable, committed, sweep

NAMES = ("a.png", "b.png", "sub/a.png", "sub/c.png", "sub/d:e.png")
SECONDS = 1_700_000_000
SETTINGS = replace(defaults().score, max_files_per_trigger=2)


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


class MortalTable(ParquetTable):
    """A table whose run dies at some commits: before it, in the middle of it, after it."""

    def append(self, kind, rows, name, at):
        fate = DRAWS[self.output.address].random()
        if fate < 0.03:
            raise Killed
        if fate < 0.05:
            (Path(self.output.address) / ".cut.parquet.0123.half").write_bytes(b"PAR1")
            raise Killed
        super().append(kind, rows, name, at)
        if fate > 0.97:
            raise Killed


DRAWS = {}


class World:
    """A folder in which files come, change and go, and all that ever lay in it."""

    def __init__(self, folder, seed):
        self.folder, self.draw = folder, random.Random(seed)
        self.ever, self.contents, self.clock = set(), count(), SECONDS
        (folder / "sub").mkdir(parents=True)
        (folder.parent / "T").mkdir()

    def step(self):
        """Do one thing to one file."""
        path = self.folder / self.draw.choice(NAMES)
        act = self.draw.choice((self.copy, self.touch, self.rename, self.replace, self.delete))
        act(path)
        for file in self.there():
            self.ever.add((f"file:{file}", digest(file)))

    def there(self):
        return [path for name in NAMES if (path := self.folder / name).exists()]

    def stamp(self, path):
        """Give a file a time that no file had, from a clock that is set back now and then."""
        self.clock += 1 if self.draw.random() < 0.8 else -1_000_003
        os.utime(path, (self.clock, self.clock))

    def copy(self, path):
        kind = self.draw.choice(("film", "film", "film", "bad"))
        self.put(path, f"{kind} {next(self.contents):05d}".encode())

    def put(self, path, data):
        half = self.folder.parent / "half"
        half.write_bytes(data)
        self.stamp(half)
        half.rename(path)

    def touch(self, path):
        if path.exists():
            self.stamp(path)

    def rename(self, path):
        if path.exists():  # over another one, too
            path.rename(self.folder / self.draw.choice(NAMES))

    def replace(self, path):
        if path.exists() and (others := self.there()):
            self.put(path, self.draw.choice(others).read_bytes())

    def delete(self, path):
        path.unlink(missing_ok=True)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Schedule:
    """Passes of one or two runs over a world that changes, and deaths."""

    def __init__(self, place, seed, steps):
        self.world, self.table = World(place / "in", seed), Output(str(place / "T"))
        self.draw, self.steps, self.runs = random.Random(-seed - 1), steps, count()
        DRAWS[self.table.address] = self.draw
        self.is_quiet, self.deaths, self.depth = False, 0, 0

    def look(self, files):
        """Read as Spark does: time and size first, the content later; and score by its digest."""
        found = []
        if self.depth == 1 and self.draw.random() < 0.1:  # a lease ran out: a second run at work
            self.run()
        for file in files:
            self.disturb()
            path = Path(file.path.removeprefix("file:"))
            if (there := time_and_size(file.path)) is None:
                if self.draw.random() < 0.2:
                    raise FilesVanished
                continue
            self.disturb(0.05)
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            found.append(scored(file, there, data))
        if len(files) > 1 and self.draw.random() < 0.05:
            raise WorkerDeath
        return found

    def disturb(self, share=0.3):
        if not self.is_quiet and self.steps and self.draw.random() < share:
            self.steps -= 1
            self.world.step()
            if self.depth and self.draw.random() < 0.03:
                raise Killed

    def run(self):
        """Do a pass, as a process of its own would, to its end or to its death."""
        if not self.depth:
            sweep(self.table)
        table = ParquetTable(self.table) if self.is_quiet else MortalTable(self.table)
        settings = replace(SETTINGS, table=self.table.address)
        run = ScoringRun(settings, "m", table, f"run{next(self.runs):04d}", self.look)
        walk = Walk()
        walk.below(str(self.world.folder))
        listing = Listing(tuple(walk.files), walk.passed_over, ())
        self.depth += 1
        try:
            score_new(run, listing, Totals(), count(1), threading.Event())
        except Killed:
            self.deaths += 1
        finally:
            self.depth -= 1

    def play(self):
        while self.steps:
            for _ in range(self.draw.randrange(1, 4)):
                self.disturb(1.0)
            self.run()
        self.is_quiet = True
        for _ in range(3):  # a bad file is set aside at its second look
            self.run()


def scored(file, there, data):
    modified, size = there
    found = ScoredFile(file.path, size, hashlib.sha256(data).hexdigest(), modified)
    if len(data) != size:
        return replace(found, sha256=None, reason="truncated", detail="", is_unsettled=True)
    if found.sha256 in file.models:
        return replace(found, is_same=True)
    if data.startswith(b"bad"):
        return replace(found, reason="not_an_image", detail="")
    return replace(found, prediction="x", confidence=1.0)


def check(schedule):
    """Hold the table against the folder: nothing lost, nothing doubled, nothing made up."""
    rows = rows_of(schedule.table, SCORED)
    keys = Counter((row["path"], row["sha256"], row["model"]) for row in rows)
    assert [key for key, n in keys.items() if n > 1] == []
    assert {key[:2] for key in keys} <= schedule.world.ever
    aside = rows_of(schedule.table, QUARANTINED)
    for path in schedule.world.there():
        name, data = f"file:{path}", path.read_bytes()
        if ":" in path.name:
            assert [r["reason"] for r in aside if r["path"] == name][-1:] == ["unreadable"]
        elif data.startswith(b"film"):
            assert keys[name, digest(path), "m"] == 1, path
        else:
            assert digest(path) in {r["sha256"] for r in aside if r["path"] == name}, path
    bad = Counter(tuple(row[k] for k in ("path", "sha256", "modified", "bytes")) for row in aside)
    assert [key for key, n in bad.items() if n > 1] == []


def rows_of(table, kind):
    return [
        row
        for place in committed(table, kind)
        for row in pq.ParquetFile(f"{table.address}/{place}").read().to_pylist()
    ]


def play(place, seeds, monkeypatch):
    monkeypatch.setattr(output, "_to_disk", lambda _: None)  # no power cut here
    deaths = 0
    for seed in seeds:
        schedule = Schedule(place / str(seed), seed, steps=25)
        schedule.play()
        check(schedule)
        deaths += schedule.deaths
        shutil.rmtree(place / str(seed))
    return deaths


def test_forty_schedules_of_touch_copy_rename_and_kill_lose_and_double_nothing(
    tmp_path, monkeypatch
):
    assert play(tmp_path, range(40), monkeypatch) > 15


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_schedules_lose_and_double_nothing(tmp_path, monkeypatch):
    assert play(tmp_path, range(1000, 2000), monkeypatch) > 300
