"""A host as conf/schedules expects it: the package in one folder, model and arrivals in another."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BAD = 9
"""Broken ones among the drawn films."""


def laid_out(folder, model, films):
    """Lay out package and data below a folder, and give both."""
    package, data = folder / "package", folder / "data"
    (package / "bin").mkdir(parents=True)
    for name in ("python", "spark-cxr"):
        program = package / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {BIN / name} "$@"\n')
        program.chmod(0o755)
    for name in ("jobs", "conf"):
        (package / name).symlink_to(ROOT / name)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "wheel"]
    subprocess.run([*wheel, ROOT], check=True, capture_output=True)
    (built,) = (folder / "wheel").glob("*.whl")
    built.rename(package / "spark_cxr.zip")
    shutil.copytree(model, data / "model")
    shutil.copytree(
        films, data / "arrivals", ignore=shutil.ignore_patterns("_*", "*.json", "*.csv")
    )
    return package, data


def names_of(table):
    """Count how often each film stands in a table."""
    paths = pq.read_table(table, columns=["path"])["path"].to_pylist()
    return Counter(path.rpartition("/")[2] for path in paths)


def scored_once(data):
    """Say whether each film that is no broken one has one row."""
    found = names_of(data / "scores")
    films = [path.name for path in (data / "arrivals").rglob("*") if path.is_file()]
    return (
        found.keys() <= set(films)
        and set(found.values()) == {1}
        and (len(found) == len(films) - BAD)
    )
