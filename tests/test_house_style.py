"""The house rules (DESIGN §4) that a program can check."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import HEAVY

ROOT = Path(__file__).resolve().parents[1]
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.stem != "__init__")
FILES = [*sorted((ROOT / "spark_cxr").rglob("*.py")), *JOBS]
Function = ast.FunctionDef | ast.AsyncFunctionDef

FUNCTION_LINES = 40
FILE_LINES = 500
JOB_LINES = 30
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
ML_NAMES = re.compile(
    r"(set|get|is|has|read|image)[A-Z]|transformSchema|copyValues|fitMultiple"
    r"|(stream|simpleStream)Reader$|(initial|latest)Offset$|prepareForTriggerAvailableNow$"
)
"""What overrides a method of pyspark.ml or of a data source, or is an old name of sparkdl."""
NOT_ON_CONNECT = {"_jvm", "_jdf", "_jsc", "_jsparkSession", "rdd", "sparkContext"}
ONLY_CLASSIC = {"spark_cxr/pipeline/progress.py": {"sparkContext"}}
"""Where a classic session is asked first: its status tracker has no like on Connect."""
Found = Iterator[tuple[int, str]]


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Count the lines of a function from `def` to its end, without its docstring."""
    last = function.end_lineno or function.lineno
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    documented = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return last - function.lineno + 1 - documented


def long_functions(tree: ast.Module) -> Found:
    for function in functions(tree):
        if (lines := body_lines(function)) > FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {lines} lines"


def bare_excepts(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except"


def asserts(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert"


def camel_case(tree: ast.Module) -> Found:
    methods = {
        id(function)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.bases
        for function in node.body
    }
    for function in functions(tree):
        is_ml = id(function) in methods and ML_NAMES.match(function.name)
        if re.search("[a-z][A-Z]", function.name) and not is_ml:
            yield function.lineno, f"{function.name} in camelCase"


def undocumented(tree: ast.Module) -> Found:
    if ast.get_docstring(tree) is None and tree.body:
        yield 1, "file without a docstring"
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        inner = node.body if isinstance(node, ast.ClassDef) else []
        methods = [n for n in inner if isinstance(n, Function) and not n.name.startswith("_")]
        for public in (node, *methods):
            if ast.get_docstring(public) is None:
                yield public.lineno, f"{public.name} without a docstring"


def classic_only(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in NOT_ON_CONNECT:
            yield node.lineno, f".{node.attr}"


def loose_joins(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".join", ".merge")):
            given = {keyword.arg for keyword in node.keywords}
            if "on" in given and "how" not in given:
                yield node.lineno, "join without how="


def hidden_duplicates(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("dropDuplicates", "drop_duplicates"):
            yield node.lineno, f".{node.attr}"


RULES: list[Callable[[ast.Module], Found]] = [
    long_functions,
    bare_excepts,
    asserts,
    camel_case,
    undocumented,
    loose_joins,
    hidden_duplicates,
]


def breaches(rule: Callable[[ast.Module], Found], path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [f"{path.relative_to(ROOT)}:{line} {what}" for line, what in rule(tree)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_library_and_jobs_have_no(rule: Callable[[ast.Module], Found]) -> None:
    assert [breach for path in FILES for breach in breaches(rule, path)] == []


def test_library_uses_nothing_that_spark_connect_does_not_have() -> None:
    found = []
    for path in FILES:
        name = str(path.relative_to(ROOT))
        allowed = {f".{word}" for word in ONLY_CLASSIC.get(name, ())}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{name}:{line} {w}" for line, w in classic_only(tree) if w not in allowed]
    assert found == []


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): n for path, n in lengths.items() if n > FILE_LINES} == {}


def test_jobs_are_short() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in JOBS}
    assert {name: n for name, n in lengths.items() if n > JOB_LINES} == {}


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    named = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "conf").rglob("*")]
    found = [path for path in named if VAGUE & {*path.relative_to(ROOT).parts[:-1], path.stem}]
    assert found == []


def test_names_of_test_files_are_unique() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_what_the_quick_tests_leave_out_is_there() -> None:
    there = {path.stem for path in (ROOT / "tests").rglob("*")}
    assert {name for name in HEAVY if name not in there} == set()


# The rules themselves, on code that breaks each

BROKEN: dict[Callable[[ast.Module], Found], str] = {
    long_functions: "def f():\n" + "    x = 1\n" * 40,
    bare_excepts: "try:\n    x\nexcept:\n    pass",
    asserts: "assert x",
    camel_case: "def readImages(): pass",
    undocumented: '"""File."""\nclass A:\n    """Doc."""\n    def f(self): pass',
    loose_joins: "a.join(b, on='path')",
    hidden_duplicates: "a.dropDuplicates(['path'])",
    classic_only: "spark.sparkContext",
}
GOOD: dict[Callable[[ast.Module], Found], str] = {
    long_functions: 'def f():\n    """Say\n    much.\n    """\n' + "    x = 1\n" * 39,
    bare_excepts: "try:\n    x\nexcept OSError:\n    pass",
    asserts: "x = 'assert'",
    camel_case: "class T(Transformer):\n    def setParams(self): pass",
    undocumented: '"""File."""\nclass _A:\n    def f(self): pass',
    loose_joins: "a.join(b, on='path', how='left'); ','.join(x)",
    hidden_duplicates: "a.distinct()",
    classic_only: "spark.conf",
}


@pytest.mark.parametrize("rule", [*RULES, classic_only], ids=lambda rule: rule.__name__)
def test_rule_finds_what_breaks_it(rule: Callable[[ast.Module], Found]) -> None:
    assert len(list(rule(ast.parse(BROKEN[rule])))) == 1


@pytest.mark.parametrize("rule", [*RULES, classic_only], ids=lambda rule: rule.__name__)
def test_rule_lets_pass_what_keeps_it(rule: Callable[[ast.Module], Found]) -> None:
    assert list(rule(ast.parse(GOOD[rule]))) == []
