"""The job on Spark while files are touched, copied, renamed and replaced, and it is killed."""

import os
import random
import signal
import time
from collections import Counter

import pytest
from score_process import run, start
from scoring_table import names, rows
from test_score_once import World, digest

from spark_cxr.pipeline.progress import ticking


def keys_of(table):
    return Counter((row["path"], row["sha256"], row["model"]) for row in rows(table))


def test_films_that_are_touched_while_passes_run_keep_one_row(score, folder, tmp_path):
    films, draw = sorted((folder / "deep er").iterdir()), random.Random(0)

    def touch():
        os.utime(draw.choice(films), (draw.randrange(10**9),) * 2)

    score()
    with ticking(touch, 0.1):
        for _ in range(3):
            score()
    assert set(keys_of(tmp_path / "T").values()) == {1}
    assert len(keys_of(tmp_path / "T")) == 6


def test_every_odd_name_has_a_row_or_is_named(score, folder, tmp_path, drawn):
    (folder / "12:00.png").write_bytes(drawn[6])
    (folder / os.fsdecode(b"bad\xff.png")).write_bytes(drawn[7])
    (folder / "back").symlink_to(".")
    for hidden in (".a.png", "_a.png", "notes.txt"):
        (folder / hidden).write_bytes(drawn[8])
    said = [score() for _ in range(2)]
    assert [each["files"] for each in said] == [8, 8]
    assert [each["arrived"] for each in said] == [8, 0]
    assert (said[0]["scored"], said[0]["quarantined"], said[0]["waiting"]) == (6, 2, 0)
    assert names(tmp_path / "T", "_quarantine") == ["12:00.png", "bad\\xff.png"]
    assert {kind: each["count"] for kind, each in said[1]["passed_over"].items()} == {
        "hidden": 2,
        "linked_twice": 1,
        "side_file": 1,
    }


class Films(World):
    """A world of real films."""

    def __init__(self, folder, seed, drawn):
        super().__init__(folder, seed)
        self.drawn = drawn

    def copy(self, path):
        number = next(self.contents)
        self.put(path, self.drawn[number % len(self.drawn)] + number.to_bytes(4, "big"))

    def delete(self, path):
        """Leave one film: a run that does not watch refuses an empty folder."""
        if len(self.there()) > 1:
            super().delete(path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_watching_runs_that_are_killed_while_files_change_leave_one_row_a_content(
    tmp_path, model, drawn
):
    world, draw = Films(tmp_path / "world" / "in", 5, drawn), random.Random(6)
    (tmp_path / "cache").mkdir()
    flags = {
        "cache": tmp_path / "cache",
        "model": model,
        "images": world.folder,
        "table": tmp_path / "world" / "T",
        "max_files_per_trigger": 2,
    }
    world.put(world.folder / "a.png", drawn[0])
    for _ in range(6):
        both = [start(**flags, watch=True, interval=0.2, wait=True) for _ in range(2)]
        with ticking(world.step, 0.1):
            time.sleep(draw.uniform(12, 30))
            for process in both:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    for _ in range(2):
        code, _, err = run(**flags)
        assert code == 0, err
    found = keys_of(flags["table"])
    assert set(found.values()) == {1}
    assert {key[:2] for key in found} <= world.ever
    present = {(f"file:{path}", digest(path)) for path in world.there() if ":" not in path.name}
    assert present <= {key[:2] for key in found}
