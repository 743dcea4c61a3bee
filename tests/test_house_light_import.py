"""What an import brings along, seen by a fresh Python."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "spark_cxr"

SPARK = {"pyspark", "py4j"}
NETWORKS = {"tensorflow", "keras", "openvino", "torch", "jax"}
LAZY = {"pydicom", "gdcm", "imagecodecs", "matplotlib", "mlflow", "fastapi", "uvicorn"}
ARRAYS = {"numpy", "pandas", "pyarrow", "PIL"}


def modules_of(part: str) -> list[str]:
    """Name every module of a part of the library."""
    paths = sorted((LIBRARY / part).rglob("*.py")) or [LIBRARY / f"{part}.py"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def brought_by(modules: list[str]) -> set[str]:
    """Name the packages that a fresh Python holds after it has imported these modules."""
    code = f"import sys, {', '.join(modules)}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    command = [sys.executable, "-W", "error", "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


def test_spark_cxr_itself_brings_nothing_heavy() -> None:
    assert brought_by(["spark_cxr"]) & (SPARK | NETWORKS | LAZY | ARRAYS) == set()


@pytest.mark.parametrize("part", ["errors", "settings", "config", "datasets", "schemas"])
def test_base_file_brings_nothing_heavy(part: str) -> None:
    assert brought_by([f"spark_cxr.{part}"]) & (SPARK | NETWORKS | LAZY | ARRAYS) == set()


@pytest.mark.parametrize(
    "part",
    ["output", "metrics", "images", "backbones", "heads", "model", "report", "training", "serve"],
)
def test_part_that_runs_without_java_brings_neither_spark_nor_networks(part: str) -> None:
    if not (LIBRARY / part).exists() and not (LIBRARY / f"{part}.py").exists():
        pytest.skip(f"spark_cxr/{part} is not there yet")
    assert brought_by(modules_of(part)) & (SPARK | NETWORKS | LAZY) == set()


def test_metrics_bring_no_package_but_numpy() -> None:
    assert brought_by(modules_of("metrics")) & (ARRAYS | LAZY | SPARK | NETWORKS) == {"numpy"}


def test_jobs_and_their_frame_bring_neither_spark_nor_networks() -> None:
    jobs = [f"jobs.{path.stem}" for path in sorted((ROOT / "jobs").glob("[a-z]*.py"))]
    assert brought_by(["spark_cxr.cli", *jobs]) & (SPARK | NETWORKS | LAZY) == set()


def test_jobs_frame_and_pipeline_bring_spark_and_no_networks() -> None:
    brought = brought_by(["spark_cxr.cli", *modules_of("pipeline")])
    assert (brought & SPARK, brought & (NETWORKS | LAZY)) == (SPARK, set())


def test_workers_that_read_and_score_films_do_not_wait_for_pandas() -> None:
    names = ("reading", "scorer", "few_near_duplicates")
    assert "pandas" not in brought_by([f"spark_cxr.pipeline.{name}" for name in names])


def test_verbs_can_be_listed_without_the_packages_that_serve() -> None:
    brought = brought_by(["spark_cxr.cli", "spark_cxr.serve.command"])
    assert brought & {"starlette", "anyio", "pandas"} == set()


SPY = """
import atexit, logging, os, sys
def spied(owner, name, real):
    def call(*args, **options):
        if "spark_cxr" in (file := sys._getframe(1).f_code.co_filename):
            print(name, file)
        return real(*args, **options)
    setattr(owner, name, call)
for owner, name in ((atexit, "register"), (os, "register_at_fork"), (logging.Logger, "addFilter")):
    spied(owner, name, getattr(owner, name))
"""


def test_an_import_sets_no_hooks_for_the_process() -> None:
    parts = ("images", "backbones", "heads", "model", "training", "serve", "pipeline")
    names = [name for part in parts for name in modules_of(part)]
    code = f"{SPY}\nimport {', '.join(names)}"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (told.returncode, told.stdout) == (0, ""), told.stderr


def test_a_fresh_python_tells_what_an_import_brings() -> None:
    assert {"json", "csv"} <= brought_by(["json", "csv"])
