"""Few films are scored in one process without Spark, and come out as on Spark."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from score_process import ROOT
from scoring_table import names, told

from spark_cxr.config import defaults
from spark_cxr.pipeline.local_settings import are_ours_alone
from spark_cxr.pipeline.scorer import open_scorer
from spark_cxr.verbs.score import one_process
from spark_cxr.verbs.score.arrivals import Arrival
from spark_cxr.verbs.score.one_process import MOST_BYTES, MOST_FILES, OneProcess, are_few
from spark_cxr.verbs.score.reading import WorkerDeath, look_in_halves

PILL = "d{x,y}.png"


def without_spark(tmp_path, *words):
    """Run the command where no Java can be found."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    cache = os.environ["SPARK_CXR_CACHE"]
    mine = {"SPARK_CXR_CACHE": cache, "PYTHONPATH": str(ROOT), "JAVA_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jobs.score", *map(str, words)]
    return subprocess.run(
        command, env=known | mine, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_few_films_need_no_java_and_come_out_as_on_spark(score, model, folder, tmp_path):
    (folder / "cut.png").write_bytes((folder / "deep er" / "a.png").read_bytes()[:300])
    (folder / "empty.png").touch()
    score()
    mine = ("--model", model, "--images", folder, "--table", tmp_path / "M")
    done = without_spark(tmp_path, *mine)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["scored"], said["waiting"], said["session"]) == (6, 2, {"session": "none"})
    assert said["times"]["films"] == 7
    assert told(tmp_path / "M") == told(tmp_path / "T")
    assert names(tmp_path / "M", "_waiting") == names(tmp_path / "T", "_waiting")
    again = json.loads(without_spark(tmp_path, *mine).stdout)
    assert (again["known"], again["scored"], again["quarantined"]) == (6, 0, 2)


def test_many_films_start_spark(model, folder, drawn, tmp_path):
    for i in range(MOST_FILES):
        (folder / f"{i}.png").write_bytes(drawn[0] + bytes(i))
    done = without_spark(tmp_path, "--model", model, "--images", folder, "--table", tmp_path / "M")
    assert done.returncode == 2
    assert "Expected a Java that Spark runs on" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("count", "size", "few"),
    [(MOST_FILES, 1, True), (MOST_FILES + 1, 1, False), (2, MOST_BYTES // 2 + 1, False)],
)
def test_few_are_films_that_spark_would_not_finish_sooner(count, size, few):
    assert are_few([Arrival(f"{i}.png", 1, size) for i in range(count)]) is few


@pytest.mark.parametrize(
    "name", ["HADOOP_CONF_DIR", "SPARK_REMOTE", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"]
)
def test_whoever_has_set_up_spark_gets_it(name):
    assert are_ours_alone({"PATH": "/bin"})
    assert not are_ours_alone({name: "something"})


def beside(scorer):

    return OneProcess(scorer, defaults().score, lambda times: None)


def dies_of_a_pill(model, files, known, reduces, folder):
    """Stand for a film that ends its reader; runs in the process."""
    if PILL in "".join(files["path"].to_pylist()):
        os._exit(1)
    return ROWS(model, files, known, reduces, folder)


ROWS = one_process._rows


def test_a_film_that_ends_the_process_costs_no_other_its_row(model, folder, monkeypatch):
    monkeypatch.setattr(one_process, "_rows", dies_of_a_pill)
    paths = sorted(folder.rglob("*.png"))
    files = [Arrival(f"file:{p}", p.stat().st_mtime_ns // 1000, p.stat().st_size) for p in paths]
    process = beside(open_scorer(None, model))
    with pytest.raises(WorkerDeath):
        process.look(files)
    found = {file.path: file.reason for file in look_in_halves(process.look, files)}
    process.close()
    ended = f"file:{folder / 'deep er' / PILL}"
    assert found == {file.path: None for file in files} | {ended: "ended_its_reader"}


PROGRAM = """
import time
from spark_cxr.verbs.score.one_process import OneProcess
from spark_cxr.config import defaults
import sys
if __name__ == "__main__":
    pool = OneProcess(None, defaults().score, print)._processes()
    print(pool.submit(__import__("os").getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def test_the_process_ends_with_a_run_that_is_killed(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, program], env=environment, stdout=subprocess.PIPE)
    child = Path("/proc") / run.stdout.readline().decode().strip()
    assert child.exists()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    end = time.monotonic() + 20
    while child.exists() and "Z" not in (child / "stat").read_text().split(")")[-1].split()[0]:
        assert time.monotonic() < end
        time.sleep(0.1)
