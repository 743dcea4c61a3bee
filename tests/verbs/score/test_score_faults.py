"""The job in a process of its own: killed, stopped, started twice, out of space."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from score_process import run, start
from scoring_table import rows, told

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path, folder, model, drawn):
    for i in range(60):
        (folder / f"copy{i}.png").write_bytes(drawn[i % 12] + bytes(i))
    (tmp_path / "cache").mkdir()
    return {
        "cache": tmp_path / "cache",
        "model": model,
        "images": folder,
        "table": tmp_path / "T",
        "max_files_per_trigger": 7,
    }


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.timeout(1800)
def test_a_run_killed_at_25_moments_leaves_one_right_row_a_file(place, tmp_path):
    started = time.monotonic()
    assert run(**{**place, "table": tmp_path / "undisturbed"})[0] == 0
    length = time.monotonic() - started
    draw = random.Random(0)
    for moment in sorted(draw.uniform(0.3, 1.0) for _ in range(25)):
        process = start(**place)
        time.sleep(moment * length)
        kill(process)
        if Path(place["table"]).glob("scored_on=*"):
            rows(place["table"])  # whatever is there can be read
    assert run(**place)[0] == 0
    assert len(told(place["table"])) == 66
    assert told(place["table"]) == told(tmp_path / "undisturbed")


def test_two_runs_at_once_leave_one_row_a_file(place):
    both = [start(**place) for _ in range(2)]
    ended = [(process.communicate(timeout=280), process.returncode) for process in both]
    assert sorted(code for _, code in ended) == [0, 2]
    (refused,) = (err for (_, err), code in ended if code == 2)
    assert "Expected a --table that no other run writes. Received: " in refused
    assert len(told(place["table"])) == 66


def test_a_second_run_can_wait(place):
    both = [start(**place, wait=True) for _ in range(2)]
    said = [json.loads(process.communicate(timeout=280)[0].splitlines()[-1]) for process in both]
    assert sorted(each["scored"] for each in said) == [0, 66]
    assert len(told(place["table"])) == 66


def test_a_watching_run_scores_what_comes_and_ends_when_it_is_told_to(place, folder, drawn):
    process = start(**place, watch=True, interval=0.5)
    until(lambda: len(list(Path(place["table"]).glob("scored_on=*/*.parquet"))) == 10)
    (folder / "late.png").write_bytes(drawn[11] + b"late")
    until(lambda: len(list(Path(place["table"]).glob("scored_on=*/*.parquet"))) == 11)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["scored"] == len(told(place["table"])) == 67


def until(holds):
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_killed_python_worker_costs_no_row_and_makes_none(place, tmp_path):
    assert run(**{**place, "table": tmp_path / "undisturbed"})[0] == 0
    process = start(**place)
    until(lambda: any(Path(place["table"]).glob("scored_on=*/*.parquet")))
    killed = [pid for pid in workers_of(process.pid) if kill_if_there(pid)]
    _, err = process.communicate(timeout=280)
    assert killed
    assert process.returncode == 0, err
    assert told(place["table"]) == told(tmp_path / "undisturbed")


def workers_of(root):
    """Find the Python workers of a job: they are forked by a daemon, in a group of their own."""
    command = ["ps", "-eo", "pid,ppid,args"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {int(p): (int(parent), args) for p, parent, args in map(parted, told.splitlines()[1:])}

    def is_below(pid):
        return pid == root or (pid in found and is_below(found[pid][0]))

    daemons = [pid for pid, (_, args) in found.items() if "pyspark.daemon" in args]
    return [pid for pid in daemons if is_below(pid) and found[pid][0] in daemons]


def parted(line):
    return line.split(None, 2)


def kill_if_there(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 1 MB, where this may be done."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_the_run_in_one_line_and_the_next_one_completes_it(
    place, small_disk, tmp_path
):
    assert run(**{**place, "table": tmp_path / "undisturbed"})[0] == 0
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1_000_000))
    mine = {**place, "table": small_disk / "T"}
    code, _, err = run(**mine)
    assert code == 2
    assert "No space left on device" in err.splitlines()[-1]
    assert [path for path in small_disk.rglob("*.half") if path.stat().st_size] == []
    filler.unlink()
    assert run(**mine)[0] == 0
    assert told(small_disk / "T") == told(tmp_path / "undisturbed")


def test_a_table_on_a_read_only_disk_is_refused_in_one_line(place, small_disk):
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    code, _, err = run(**{**place, "table": small_disk / "T"})
    assert code == 2
    assert "Read-only file system" in err.splitlines()[-1]
