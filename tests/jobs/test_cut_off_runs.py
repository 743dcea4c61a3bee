"""A run that was cut off: the same command goes on, and leaves what an unbroken one leaves."""

import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from jobs.featurize import JOB as FEATURIZE
from spark_cxr import job
from spark_cxr.output import KEY_VARIABLE, PARTS, Output
from spark_cxr.pipeline import features, film_run, readers
from spark_cxr.pipeline.phantom_films import phantoms_step
from spark_cxr.pipeline.reading import look
from tests.quick import defaults


@pytest.fixture(autouse=True)
def same_pseudonyms(monkeypatch):
    """Give patients the same names in each --out."""
    monkeypatch.setenv(KEY_VARIABLE, "k" * 32)


@pytest.fixture
def settings(films):
    def settings(out):
        labelled = {"images": (str(films),), "labels": str(films / "manifest.csv")}
        return defaults(ingest=labelled, run={"out": str(out)}, features={"backbone": "fake"})

    return settings


def rows_of(out, table):
    rows = pq.read_table(out / table).to_pylist()
    return sorted(rows, key=lambda row: row["path"])


def record_of(out):
    return json.loads((out / "run.json").read_text())


def failing_task(files, *args):
    """Let the pass end at one film, when other tasks are done."""
    fails = F.when(F.col("path").contains("0007"), F.raise_error(F.lit("pulled the plug")))
    return look(files, *args).withColumn("detail", F.coalesce(fails, F.col("detail")))


def test_the_pass_goes_on_where_it_was_cut_off(spark, settings, tmp_path, monkeypatch):
    job.run(FEATURIZE, spark, settings(tmp_path / "whole"))
    monkeypatch.setattr(readers, "LEAST_TASKS", 20)
    with monkeypatch.context() as patched:
        patched.setattr(film_run, "look", failing_task)
        with pytest.raises(Exception, match="pulled the plug"):
            job.run(FEATURIZE, spark, settings(tmp_path / "F"))
    assert record_of(tmp_path / "F")["status"] == "failed"
    done = job.run(FEATURIZE, spark, settings(tmp_path / "F"))
    assert 0 < done["resumed"] < 69
    assert done["times"]["films"] <= 69 - done["resumed"], "only the rest was read"
    for table in ("images", "quarantine", "features"):
        assert rows_of(tmp_path / "F", table) == rows_of(tmp_path / "whole", table)
    assert not (tmp_path / "F" / PARTS).exists()


@pytest.mark.slow
def test_a_run_that_was_cut_off_later_reads_no_film_again(spark, settings, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(features, "_write_features", lambda *_: os.fspath(None))
        with pytest.raises(TypeError):
            job.run(FEATURIZE, spark, settings(tmp_path / "F"))
    monkeypatch.setattr(film_run, "look", lambda *_: pytest.fail("it looked again"))
    assert job.run(FEATURIZE, spark, settings(tmp_path / "F"))["resumed"] == 68


def in_a_tar(films, path):
    with tarfile.open(path, "w") as archive:
        archive.add(films, arcname=".")
    return path


KILLS = "import sys; from spark_cxr.cli import main; sys.argv[0] = 'spark-cxr'; main()"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("verb", "source"), [("featurize", "folder"), ("featurize", "tar"), ("compare", "folder")]
)
def test_killed_at_random_moments_it_ends_as_if_nothing_had_been(films, tmp_path, verb, source):
    flags = {
        "featurize": ["--backbone", "fake"],
        "compare": ["--backbones", "fake", "--heads", "dt", "--folds", "2", "--resamples", "100"],
    }[verb]
    images = films if source == "folder" else in_a_tar(films, tmp_path / "films.tar")
    labelled = ["--images", str(images), "--labels", str(films / "manifest.csv"), *flags]
    tables = {"featurize": ("images", "features"), "compare": ("images", "features", "twins")}[verb]

    def started(out):
        command = [sys.executable, "-c", KILLS, verb, *labelled, "--out", str(out)]
        return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)

    begun = time.monotonic()
    assert started(tmp_path / "whole").wait() == 0
    took, draw = time.monotonic() - begun, random.Random(5)
    for number in range(5):
        out = tmp_path / f"killed{number}"
        run = started(out)
        time.sleep(draw.uniform(0.3, 1.0) * took)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        code = started(out).wait()
        assert code in (0, 2), "2: it was done before it was killed"
        for table in tables:
            keys = [{**row, "modified": None} for row in rows_of(tmp_path / "whole", table)]
            found = [{**row, "modified": None} for row in rows_of(out, table)]
            assert found == keys


OF_TIME = {"seconds", "seconds_training", "images_per_second", "times", "resumed", "read"}
OF_TIME |= {"scored_at", "created", "out", "started"}
"""What of a run says when and how it was done."""


def without_time(found):
    """Give what a run has found, without how long it took."""
    if isinstance(found, dict):
        return {name: without_time(each) for name, each in found.items() if name not in OF_TIME}
    return [*map(without_time, found)] if isinstance(found, list) else found


def finished_films(out):
    """Count the films that a run has left as finished."""
    return sum(pq.read_metadata(path).num_rows for path in (out / PARTS).glob("*/part-*.parquet"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_training_of_findings_that_is_killed_reads_no_finished_film_again(tmp_path):
    films = tmp_path / "P"
    shares = ["Consolidation=0.4", "Effusion=0.4", "Pneumothorax=0.3"]
    drawn = {"count": 120, "size": 96, "formats": ["png"], "bad": 0, "several_findings": shares}
    phantoms_step(defaults(phantoms=drawn).phantoms, 0, Output(str(films)))
    flags = ["--images", str(films), "--labels", str(films / "manifest.csv"), "--findings"]
    flags += ["--likeness", "1.0", "--backbone", "fake", "--resamples", "100", "--explained", "1"]
    flags += ["--least-positives", "5"]

    def started(out):
        command = [sys.executable, "-c", KILLS, "train-lr", *flags, "--out", str(out)]
        return subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def left_by(out):
        predictions = [without_time(row) for row in rows_of(out, "predictions")]
        metrics = json.loads((out / "metrics.json").read_text())
        with np.load(out / "model" / "head.npz") as head:
            arrays = {name: head[name].tolist() for name in head.files}
        return predictions, without_time(metrics), arrays

    def begun(out):
        run = started(out)
        while not (out / PARTS).is_dir():
            assert run.poll() is None, "it ended without a pass"
            time.sleep(0.05)
        return run, time.monotonic()

    run, since = begun(tmp_path / "whole")
    run.communicate()
    assert run.returncode == 0
    took, draw, resumed = time.monotonic() - since, random.Random(22), list[int]()
    for number in range(4):
        out = tmp_path / f"killed{number}"
        run, _ = begun(out)
        time.sleep(draw.uniform(0.0, 1.0) * took)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        finished = finished_films(out)
        again = started(out)
        said = again.communicate()[0].decode().splitlines()
        assert again.returncode in (0, 2), "2: it was done before it was killed"
        if again.returncode == 0:
            done = json.loads(said[-1])
            resumed.append(done["resumed"])
            assert done["resumed"] >= finished
            assert done["times"]["films"] <= 120 - finished
        assert left_by(out) == left_by(tmp_path / "whole")
        assert not (out / PARTS).exists()
    assert max(resumed) > 0
