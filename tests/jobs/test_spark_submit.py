"""The jobs as a user starts them: real processes, real spark-submit, a real Connect server."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pyspark
import pytest

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


def started(*command, cwd=ROOT, **environment):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**known, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def last_json(done):
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_phantoms_then_ingest_account_for_60_files_with_9_right_reasons(tmp_path):
    submit = BIN / "spark-submit"
    films, tables = tmp_path / "P", tmp_path / "T"
    drawn = started(
        submit, "jobs/phantoms.py", "--out", films, "--count", 60, "--bad", 9, "--size", 96
    )
    assert drawn.returncode == 0, drawn.stderr
    done = started(submit, "jobs/ingest.py", "--images", films, "--out", tables)
    assert done.returncode == 0, done.stdout + done.stderr
    said = last_json(done)
    assert (said["status"], said["files"], said["quarantined"]) == ("ok", 60, 9)
    with (films / "manifest.csv").open(newline="") as file:
        rows = {Path(row["path"]).name: row["expected_reason"] for row in csv.DictReader(file)}
    expected = {name: reason for name, reason in rows.items() if reason}
    found = pq.read_table(tables / "quarantine").to_pylist()
    assert {Path(row["path"]).name: row["reason"] for row in found} == expected


def test_spark_submit_ends_with_2_and_one_line_for_a_wrong_folder(tmp_path):
    done = started(
        BIN / "spark-submit", "jobs/ingest.py", "--images", tmp_path / "no", "--out", tmp_path / "T"
    )
    assert done.returncode == 2
    told = [line for line in (done.stdout + done.stderr).splitlines() if "ingest: " in line]
    assert told == [
        f"ingest: Expected --images that exist. Received: file:{tmp_path}/no. "
        "Check the folder or glob."
    ]


def test_the_command_says_a_wrong_flag_on_stderr_before_spark_starts(tmp_path):
    done = started(BIN / "spark-cxr", "ingest", "--imges", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ingest: Expected flags of ingest. Received: --imges x. "
        "Did you mean --images? See ingest --help.\n"
    )


@pytest.mark.skipif(pyspark.__version__ < "4", reason="MLlib on Spark Connect needs PySpark 4")
@pytest.mark.slow
@pytest.mark.parametrize("tune", [False, True])
def test_training_over_spark_connect_gives_the_predictions_of_a_classic_session(
    films, tmp_path, spark, tune
):
    from jobs.train_lr import JOB
    from spark_cxr import job
    from tests.quick import defaults

    labels = films / "manifest.csv"
    done = started(
        *(BIN / "spark-cxr", "train-lr", "--images", films, "--labels", labels),
        *("--out", tmp_path / "connect", "--no-learning-curve", *(["--tune"] if tune else [])),
        cwd=tmp_path,
        SPARK_REMOTE="local[2]",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "connect" / "run.json").read_text())["session"]["session"] == (
        "connect"
    )
    ingest = {"images": [str(films)], "labels": str(labels)}
    train = {"learning_curve": False, "explained": 0, "tune": tune}
    cfg = defaults(run={"out": str(tmp_path / "classic")}, ingest=ingest, train=train)
    job.run(JOB, spark, cfg)
    told = [
        {row["path"]: dict(row["probabilities"]) for row in pq.read_table(where).to_pylist()}
        for where in (tmp_path / "connect" / "predictions", tmp_path / "classic" / "predictions")
    ]
    assert told[0].keys() == told[1].keys()
    for path, probabilities in told[0].items():
        assert probabilities == pytest.approx(told[1][path], abs=1e-9)
