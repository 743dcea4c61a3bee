"""What `make results` starts: each run once, folds as files, and a word where films are missing."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
SUBMIT = """#!/usr/bin/env bash
here="$(dirname "$0")"
echo "$*" >> "$here/said"
job="$1"
while [ "$1" != --out ]; do shift; done
mkdir -p "$2"
echo '{"status": "ok"}' > "$2/run.json"
[ "$job" != jobs/compare.py ] || cp -r "$here/folds" "$2"
"""


@pytest.fixture
def start(tmp_path):
    """Give what starts the script with a spark-submit that only notes what it was asked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/spark-submit").write_text(SUBMIT)
    (tmp_path / "bin/spark-submit").chmod(0o755)
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)
    (tmp_path / "bin/folds").mkdir()
    for by in ("patient", "image"):
        films = {"path": [f"file:/f/{by}-{n}.png" for n in range(10)], "fold": [0, 1, 2, 3, 4] * 2}
        pq.write_table(pa.table(films), tmp_path / "bin/folds" / f"by-{by}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/manifest.csv").write_text("path,split\n")

    def started(*parts, data=tmp_path / "data"):
        said = tmp_path / "bin/said"
        said.unlink(missing_ok=True)
        done = subprocess.run(
            [ROOT / "conf/local/results.sh", tmp_path / "bin", tmp_path / "out", *parts],
            cwd=ROOT,
            env={**os.environ, "SPARK_CXR_DATA": str(data)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, said.read_text().splitlines() if said.is_file() else []

    return started


def test_frozen_networks_are_run_with_every_head(start):
    done, said = start("frozen")
    assert done.returncode == 0, done.stderr
    jobs = [line.split()[0].removeprefix("jobs/") for line in said]
    assert [jobs.count(f"{name}.py") for name in ("featurize", "train", "compare")] == [3, 12, 2]
    assert sum("--classes Covid-19,No_findings" in line for line in said) == 1
    assert "# The table of the field" in done.stdout


def test_each_source_is_left_out_with_films_and_with_lungs(start, tmp_path):
    (tmp_path / "data/manifest.csv").write_text(
        "path,source,label,patient_id\n"
        "radiography/COVID/a.png,radiography,COVID,\n"
        "radiography/Viral Pneumonia/b.png,radiography,Viral Pneumonia,\n"
        "radiography/Tuberculosis/c.png,tb-collection,Tuberculosis,\n"
        "ozturk/No_findings/d.png,nih-chestxray14,No_findings,nih-4\n"
    )
    (tmp_path / "data/kermany").mkdir()
    (tmp_path / "data/kermany/manifest.csv").write_text(
        "path,label,patient_id\nkermany/Viral Pneumonia/e.png,Viral Pneumonia,person7\n"
    )
    done, said = start("elsewhere")
    assert done.returncode == 0, done.stderr
    assert [line.partition("--see ")[2].split()[0] for line in said] == [
        "film",
        "lungs",
        "lungs-only",
    ]
    assert all("--folds source --splits patient" in line for line in said)
    with (tmp_path / "out/sources.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "label", "patient_id", "source"],
            ["radiography/COVID/a.png", "COVID", "", "Radiography"],
            ["ozturk/No_findings/d.png", "Normal", "nih-4", "NIH"],
            ["kermany/Viral Pneumonia/e.png", "Pneumonia", "person7", "Kermany"],
        ]


def test_a_run_that_is_there_is_not_made_again(start):
    start("frozen")
    done, said = start("frozen")
    assert (done.returncode, said) == (0, [])


def test_network_is_trained_once_a_fold_and_tested_on_the_films_of_the_comparison(start, tmp_path):
    start("frozen")
    done, said = start("tuned")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in said] == ["jobs/finetune.py"] * 21
    assert sum("--classes Covid-19,No_findings" in line for line in said) == 10
    assert len({line.partition("--out ")[2] for line in said}) == 21
    with (tmp_path / "out/ozturk-two/by-image-3.csv").open(newline="") as file:
        rows = {row["path"]: row["split"] for row in csv.DictReader(file)}
    tested = {path for path, side in rows.items() if side == "test"}
    assert (len(rows), tested) == (10, {"file:/f/image-3.png", "file:/f/image-8.png"})


def test_networks_are_not_trained_before_there_are_films_and_folds(start):
    done, said = start("tuned")
    assert (done.returncode, said) == (2, [])
    assert done.stderr.endswith("Received: nothing. Name both: frozen tuned.\n")


def test_word_that_is_no_part_is_refused(start):
    done, said = start("all")
    assert (done.returncode, said) == (2, [])
    assert (
        "results: Expected frozen, elsewhere, tuned or large. Received: all. Leave it out."
        in done.stderr
    )


def test_missing_films_are_told(start, tmp_path):
    done, said = start(data=tmp_path / "nothing")
    assert (done.returncode, said) == (2, [])
    assert done.stderr.startswith("results: Expected films at ")
