"""Imports go one way (DESIGN §1): the arrows as one table, held against the source."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "spark_cxr"
FILES = [*sorted(LIBRARY.rglob("*.py")), *sorted((ROOT / "jobs").glob("*.py"))]

BASE = {
    "errors",
    "film_places",
    "records",
    "choices",
    "settings",
    "config",
    "schemas",
    "datasets",
    "output",
}
MAY_USE = {
    "errors": set[str](),
    "records": set[str](),
    "schemas": set[str](),
    "choices": set[str](),
    "setting": set[str](),
    "film_places": {"errors"},
    "settings": {"errors", "choices", "film_places", "setting"},
    "config": {"errors", "settings"},
    "console": {"errors", "settings", "config"},
    "completion": {"errors", "config"},
    "datasets": {"errors", "film_places", "choices", "settings", "config"},
    "output": {"errors"},
    "images": {"errors", "records", "choices", "settings"},
    "archives": {"errors", "output", "images"},
    "phantoms": {"errors", "images"},
    "backbones": {*BASE, "images"},
    "heads": {"errors", "settings"},
    "metrics": {"errors", "datasets"},
    "model": {*BASE, "images", "phantoms", "backbones", "heads", "metrics"},
    "training": {*BASE, "images", "backbones", "heads"},
    "report": {*BASE, "metrics"},
    "pipeline": {
        *BASE,
        "archives",
        "images",
        "phantoms",
        "backbones",
        "heads",
        "metrics",
        "model",
        "__init__",
    },
    "verbs": {
        *(*BASE, "images", "phantoms", "backbones", "heads", "metrics", "model", "training"),
        *("archives", "pipeline", "report", "__init__"),
    },
    "serve": {
        *(*BASE, "console", "images", "phantoms", "backbones", "heads", "metrics", "model"),
        *("report", "__init__"),
    },
    "sparkdl": {*BASE, "images", "backbones", "training", "heads", "model", "pipeline"},
    "job": {*BASE, "console", "pipeline", "verbs", "__init__"},
    "jobs": {*BASE, "job", "pipeline", "verbs"},
    "cli": {*BASE, "console", "completion", "job", "verbs", "__init__"},
    "__init__": {"model"},
}
"""Each part of the library, and the parts that it may import besides itself."""

MAY_IMPORT_SPARK = {"pipeline", "verbs", "sparkdl"}
"""Where pyspark stands at the top of a file."""
NEVER_SPARK = {
    *("archives", "images", "phantoms", "backbones", "metrics", "model", "report", "serve"),
    *("training", "console", *BASE),
} - {"output"}
"""Where pyspark does not stand at all, unless for types."""
HEAVY = {
    "fastapi",
    "gdcm",
    "imagecodecs",
    "jax",
    "keras",
    "matplotlib",
    "mlflow",
    "nncf",
    "openvino",
    "pydicom",
    "tensorflow",
    "torch",
    "uvicorn",
}
"""What is imported inside the function that needs it."""


def part_of(path: Path) -> str:
    """Name the part of the library that a file belongs to: `images`, `job`, `jobs` …"""
    if path.parent == ROOT / "jobs":
        return "jobs"
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def statements(node: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """Walk over what runs, at the top of a file or also inside its functions."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_for_types(child) or (is_function and not inside_functions):
            continue
        yield child
        yield from statements(child, inside_functions)


def imported(source: str, inside_functions: bool = True) -> Iterator[tuple[int, str]]:
    """Give line and dotted name of everything that a source imports when it runs."""
    for node in statements(ast.parse(source), inside_functions):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def wrong(path: Path, inside_functions: bool, names: set[str]) -> list[str]:
    """List the imports of a file whose first word is one of `names`."""
    found = imported(path.read_text(encoding="utf-8"), inside_functions)
    where = path.relative_to(ROOT)
    return [f"{where}:{line} {name}" for line, name in found if name.split(".")[0] in names]


def arrows(path: Path) -> list[str]:
    """List the imports of a file that go against the arrows."""
    part, against = part_of(path), []
    for line, name in imported(path.read_text(encoding="utf-8")):
        words = name.split(".")
        known = words[0] == "spark_cxr" and len(words) > 1 and words[1] in MAY_USE
        if known and words[1] not in {part, *MAY_USE.get(part, ())}:
            against.append(f"{path.relative_to(ROOT)}:{line} {part} imports {words[1]}")
    return against


def test_arrows_make_no_circle() -> None:
    assert set(TopologicalSorter(MAY_USE).static_order()) == set(MAY_USE)


def test_every_part_of_the_library_stands_in_the_table() -> None:
    assert {part_of(path) for path in FILES} - set(MAY_USE) == set()


@pytest.mark.parametrize("part", sorted({part_of(path) for path in FILES}))
def test_part_imports_only_what_the_arrows_allow(part: str) -> None:
    assert [line for path in FILES if part_of(path) == part for line in arrows(path)] == []


def test_imports_say_the_whole_name() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in FILES
        for line, name in imported(path.read_text(encoding="utf-8"))
        if name.startswith(".")
    ]
    assert found == []


def test_pyspark_stands_at_the_top_of_a_file_only_where_it_may() -> None:
    others = [path for path in FILES if part_of(path) not in MAY_IMPORT_SPARK]
    assert [line for path in others for line in wrong(path, False, {"pyspark", "py4j"})] == []


def test_parts_that_run_without_java_do_not_import_pyspark_at_all() -> None:
    others = [path for path in FILES if part_of(path) in NEVER_SPARK]
    assert [line for path in others for line in wrong(path, True, {"pyspark", "py4j"})] == []


def test_heavy_packages_are_imported_inside_functions() -> None:
    assert [line for path in FILES for line in wrong(path, False, HEAVY)] == []


def test_jobs_do_not_import_each_other() -> None:
    names = {path.stem for path in FILES if part_of(path) == "jobs"}
    jobs = [path for path in FILES if part_of(path) == "jobs"]
    assert [line for path in jobs for line in wrong(path, True, {"jobs", *names})] == []


# The test itself

SAMPLE = """
from typing import TYPE_CHECKING
import a.b
from c import d, e
if TYPE_CHECKING:
    import types_only
try:
    import tried
except ImportError:
    pass
class Kept:
    import held
    def method(self):
        import inner
def function():
    from deep import x
"""


def test_reading_finds_what_runs_at_the_top_of_a_file() -> None:
    found = [name for _, name in imported(SAMPLE, inside_functions=False)]
    assert found == ["typing.TYPE_CHECKING", "a.b", "c.d", "c.e", "tried", "held"]


def test_reading_finds_what_runs_inside_functions() -> None:
    found = {name for _, name in imported(SAMPLE)}
    assert found >= {"inner", "deep.x"}
    assert "types_only" not in found
