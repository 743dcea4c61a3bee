"""The notebooks of examples/ run from their first cell to their last, on drawn films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spark_cxr import __version__

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
MAGIC = ("%", "!")


def cells(path: Path) -> list[dict[str, Any]]:
    """Give the cells of code of a notebook."""
    read = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in read["cells"] if cell["cell_type"] == "code"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def is_magic(cell: dict[str, Any]) -> bool:
    return any(line.startswith(MAGIC) for line in source(cell).splitlines())


def is_parameters(cell: dict[str, Any]) -> bool:
    return "parameters" in cell["metadata"].get("tags", ())


def execute(name: str, given: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook in one namespace, with other values for what its cell of parameters sets."""
    space: dict[str, Any] = {"__name__": "__main__", **given}
    for number, cell in enumerate(cells(ROOT / "examples" / name)):
        if is_magic(cell):
            continue
        exec(compile(source(cell), f"{name}, cell {number}", "exec"), space)
        if is_parameters(cell):
            assert parameters.keys() <= space.keys()
            space |= parameters
    return space


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_only_the_first_cell_has_magic(path: Path) -> None:
    first, *others = cells(path)
    assert all(line.startswith("%pip ") for line in source(first).splitlines())
    assert [source(cell) for cell in others if is_magic(cell)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_committed_without_outputs(path: Path) -> None:
    kept = [cell for cell in cells(path) if cell["outputs"] or cell["execution_count"] is not None]
    assert kept == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_has_one_cell_of_parameters(path: Path) -> None:
    assert sum(map(is_parameters, cells(path))) == 1


def test_databricks_installs_the_wheel_of_this_version() -> None:
    first, *_ = cells(ROOT / "examples" / "databricks.ipynb")
    assert f"spark_cxr-{__version__}-py3-none-any.whl" in source(first)


def test_laptop_runs(spark: Any, tmp_path: Path) -> None:
    space = execute("laptop.ipynb", {}, {"WORK": str(tmp_path / "work"), "FILMS": 60})
    assert len(space["quarantine"]) == 6
    assert space["answer"].bad is None
    assert (tmp_path / "work" / "overlay.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_databricks_runs(spark: Any, films: Path, tmp_path: Path) -> None:
    """With the fake network: the shipped one runs in the notebook of the laptop."""
    parameters = {
        "IMAGES": str(films),
        "LABELS": str(films / "manifest.csv"),
        "ARRIVALS": str(films / "COVID-19"),
        "RUNS": str(tmp_path / "runs"),
        "NETWORK": "fake",
    }
    space = execute("databricks.ipynb", {"spark": spark}, parameters)
    images = spark.read.parquet(str(tmp_path / "runs" / "tables" / "images"))
    assert space["scores"].count() == images.where("path LIKE '%/COVID-19/%'").count() > 0
