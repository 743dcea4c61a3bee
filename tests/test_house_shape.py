"""The shape of the house: files in one order, names once, films decoded in one place."""

import ast
import subprocess
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "spark_cxr").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
DECODERS = {
    "spark_cxr/images/film_pass.py": "the pass itself",
    "spark_cxr/model/model.py": "explain, of one film that a program holds",
    "spark_cxr/pipeline/thumbnails.py": "on the driver: a few films drawn into a page",
    "spark_cxr/sparkdl/imageIO.py": "readImages, whose rows are the pixels",
}
"""Who calls `images.decode.decode`, and why it is no pass."""
PARTICIPLES = {"told", "seen", "fitted", "parted", "asked", "looking", "audited", "compared"}
RECORDS = {"Backbone", "Network", "Plan", "Used"}
"""What describes a network on its way from a name to vectors."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(module: str) -> set[str]:
    """Name the modules of the library that a file imports, inside functions and for types too."""
    found = set()
    for node in ast.walk(TREES[MODULES[module]]):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
    return {name for name in found if name in MODULES and name != module}


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def classes() -> Iterator[tuple[str, str]]:
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, str(path.relative_to(ROOT))


def test_no_two_files_import_each_other_by_any_way_round() -> None:
    assert cycle({module: imports(module) for module in MODULES}) == []


def test_a_cycle_is_found() -> None:
    assert set(cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for name, path in classes():
        places.setdefault(name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_films_are_decoded_in_one_place() -> None:
    """All else that wants a film decoded goes through the pass."""
    found = {
        str(path.relative_to(ROOT))
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "spark_cxr.images.decode"
        if "is_harmless" not in {alias.name for alias in node.names}  # decodes nothing
    }
    assert found == set(DECODERS)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_of_a_network_is_there_once(name: str) -> None:
    assert [path for known, path in classes() if known == name] != []


def test_no_file_or_class_is_called_by_a_participle() -> None:
    named = {path.stem for path in FILES} | {name.lower() for name, _ in classes()}
    assert named & PARTICIPLES == set()


def test_no_field_of_a_record_is_called_by_a_participle() -> None:
    fields = {
        f"{node.name}.{line.target.id}"
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    assert {each for each in fields if each.partition(".")[2] in PARTICIPLES} == set()


def test_git_leaves_no_file_of_the_house_out() -> None:
    words = [
        "git",
        "status",
        "--porcelain",
        "--ignored",
        "-uall",
        "--",
        "spark_cxr",
        "tests",
        "jobs",
    ]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode:
        pytest.skip(f"not a git checkout: {shown.stderr.strip()}")
    ignored = [line[3:] for line in shown.stdout.splitlines() if line.startswith("!!")]
    assert [path for path in ignored if not path.endswith((".pyc", '.pyc"'))] == []
