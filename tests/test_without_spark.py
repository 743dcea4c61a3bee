"""What works where PySpark is not installed: help, phantoms, and a way out for the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spark_cxr import cli

ROOT = Path(__file__).resolve().parents[1]
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyspark", "py4j"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make an environment in which Python finds no PySpark."""
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def spark_cxr(blocked: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from spark_cxr.cli import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=blocked)


def test_pyspark_cannot_be_imported_here(blocked: dict[str, str]) -> None:
    command = [sys.executable, "-c", "import pyspark"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=blocked)
    assert "No module named 'pyspark'" in ended.stderr


def test_overview_names_every_verb(blocked: dict[str, str]) -> None:
    ended = spark_cxr(blocked, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(f"  {name} " in ended.stdout for name in cli.names())


def test_every_verb_has_its_help(blocked: dict[str, str]) -> None:
    code = """
from spark_cxr import cli
for name in cli.names():
    try:
        cli.main([name, "--help"])
    except SystemExit as ended:
        print(name, ended.code)
"""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=blocked)
    lines = ended.stdout.splitlines()
    assert (ended.stderr, [n for n in cli.names() if f"{n} 0" not in lines]) == ("", [])


def test_phantoms_are_drawn(blocked: dict[str, str], tmp_path: Path) -> None:
    ended = spark_cxr(blocked, "phantoms", "--out", f"{tmp_path}/p", "--count", "2", "--size", "64")
    assert ended.returncode == 0, ended.stderr
    assert len(list((tmp_path / "p").glob("*/*.*"))) == 2


@pytest.mark.parametrize("verb", ["ingest", "train-lr", "score"])
def test_verb_of_spark_ends_in_one_line_with_the_way_out(
    blocked: dict[str, str], verb: str
) -> None:
    ended = spark_cxr(blocked, verb)
    name = verb.replace("-", "_")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        2,
        "",
        f"{name}: Expected PySpark for {name}. Received: No module named 'pyspark'. "
        "pip install 'spark-cxr[local]', or start the job with spark-submit.\n",
    )


def test_loading_a_model_looks_for_the_model(blocked: dict[str, str]) -> None:
    code = "from spark_cxr import load_model; load_model('nowhere')"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=blocked)
    assert ended.stderr.splitlines()[-1].startswith("spark_cxr.errors.")


def test_similar_starts_without_it(blocked: dict[str, str], tmp_path: Path) -> None:
    ended = spark_cxr(blocked, "similar", "--images", f"{tmp_path}/none", "--out", f"{tmp_path}/S")
    assert (ended.returncode, ended.stderr.splitlines()[-1][:59]) == (
        2,
        "similar: Expected 1 to 100 films in --images. Received: 0 i",
    )
