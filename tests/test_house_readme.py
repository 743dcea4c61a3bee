"""README and docs/ are true: what they tell a user to type exists, and what they point to."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from spark_cxr import __version__, cli, schemas
from spark_cxr.config import flagged_items
from spark_cxr.errors import REASONS, ConfigError
from spark_cxr.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
README_LINES = 200
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

BLOCK = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
INCLUDED = re.compile(r"^--8<-- \"([^\"]+)\"$", re.MULTILINE)
PATH = re.compile(r"(?:spark_cxr|jobs|conf|docs|tests|examples|benchmarks)/[\w./-]*\w/?")
TARGET = re.compile(r"^([a-z][a-z-]*):.*?(?:## (.+))?$", re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def code(text: str) -> Iterator[str]:
    """Give the lines of code of a page: those of blocks, continued ones joined, and inline."""
    for block in BLOCK.finditer(text):
        yield from block[2].replace("\\\n", " ").splitlines()
    yield from INLINE.findall(BLOCK.sub("", text))


def commands(text: str) -> Iterator[list[str]]:
    """Give the commands of a page as words, without prompts, comments and redirections."""
    for line in code(text):
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # an apostrophe: prose or another language
            continue
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set(";&|<>"):
                yield command
                command = []
            else:
                command.append(word)


def described_targets(makefile: str) -> dict[str, str]:
    """Read what can be made, with what is said of it."""
    return dict(TARGET.findall(makefile))


def wrong_targets(text: str) -> list[str]:
    """Find `make X` where the Makefile has no X, or none that it describes."""
    targets = described_targets(MAKEFILE)
    named = {
        word
        for words in commands(text)
        if words[:1] == ["make"]
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }
    return sorted(word for word in named if not targets.get(word))


def missing_jobs(text: str) -> list[str]:
    """Find jobs/NAME.py that are not there, wherever the page names them."""
    named = set(re.findall(r"jobs/([a-z]\w*)\.py", text))
    return sorted(name for name in named if not (ROOT / f"jobs/{name}.py").is_file())


def runs(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give the jobs that a page starts, each with the words behind its name."""
    for words in commands(text):
        for at, word in enumerate(words):
            name = Path(word).name
            if re.fullmatch(r"(.*/)?jobs/\w+\.py", word) and at > 0:
                yield name.removesuffix(".py"), words[at + 1 :]
            elif name == "spark-cxr" and words[at + 1 : at + 2]:
                yield words[at + 1], words[at + 2 :]
            elif name.startswith("spark-cxr-"):
                yield name.removeprefix("spark-cxr-"), words[at + 1 :]


def flags_of(verb: str) -> set[str]:
    """Give the flags of a job; none where there is no such job."""
    try:
        job = cli.get(verb)
    except ConfigError:
        return set()
    named = {f"--{item.name.replace('_', '-')}" for _, item in flagged_items(job.sections)}
    return {
        *named,
        *(f"--no-{flag[2:]}" for flag in named),
        "--conf",
        "--set",
        "--help",
        "--help-all",
    }


def wrong_flags(text: str) -> list[str]:
    """Find verbs that do not exist, and flags that their job does not have."""
    found = []
    for verb, words in runs(text):
        if (
            verb.startswith("-")
            or verb == cli.COMPLETION
            or not re.fullmatch(r"[a-z][a-z_-]*", verb)
        ):
            continue  # spark-cxr --help, spark-cxr VERB
        known = flags_of(verb)
        flags = [word.split("=")[0] for word in words if word.startswith("--")]
        found += [f"{verb} {flag}" for flag in flags if flag not in known]
        found += [] if known else [verb]
    return found


def wrong_keys(text: str) -> list[str]:
    """Find --set section.key=value with a key that no section has."""
    keys = {f"{name}.{key}" for name, kept in SECTIONS.items() for key in kept.__annotations__}
    found = []
    for _, words in runs(text):
        given = [after for flag, after in pairwise(words) if flag == "--set"]
        found += [word for word in given if word.split("=")[0] not in keys]
    return found


def anchors(text: str) -> set[str]:
    """Name the headings of a page as links do."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def dead_links(text: str, folder: Path = ROOT) -> list[str]:
    """Find links and pictures whose file is not in the repository, and headings that are not."""
    found = []
    for link in (first or second for first, second in LINK.findall(BLOCK.sub("", text))):
        path, _, anchor = link.partition("#")
        target = folder / path
        if link.startswith(ELSEWHERE):
            continue
        if path and not target.exists():
            found.append(link)
        elif (anchor and target.suffix == ".md") or not path:
            there = target.read_text(encoding="utf-8") if path else text
            found += [] if anchor in anchors(there) else [link]
    return found


def missing_paths(text: str) -> list[str]:
    """Find files and folders of the repository that a page names and that are not there."""
    named = {word for words in INLINE.findall(BLOCK.sub("", text)) for word in PATH.findall(words)}
    meant = {path for path in named if not re.search("NAME|VERB", path)}
    return sorted(path for path in meant if not (ROOT / path).exists())


CHECKS = [wrong_targets, missing_jobs, wrong_flags, wrong_keys]


def page_name(path: Path) -> str:
    """Name a page in the output of pytest."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_page_has_no(check, page: Path) -> None:  # type: ignore[no-untyped-def]
    assert check(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_page_has_no_dead_links(page: Path) -> None:
    assert dead_links(page.read_text(encoding="utf-8"), page.parent) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
@pytest.mark.skipif(not (ROOT / "spark_cxr/verbs").is_dir(), reason="the tree is being moved")
def test_page_names_only_files_that_are_there(page: Path) -> None:
    assert missing_paths(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_page_includes_only_files_that_are_there(page: Path) -> None:
    included = INCLUDED.findall(page.read_text(encoding="utf-8"))
    assert [name for name in included if not (ROOT / name).is_file()] == []


def test_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= README_LINES


def rows(text: str) -> list[list[str]]:
    """Give the rows of all tables of a page, as cells."""
    lines = [line for line in text.splitlines() if line.startswith("|") and set(line) - set("|- ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_figures_of_readme_are_those_of_the_page_of_results() -> None:
    results = [row[:4] for row in rows((ROOT / "docs/results.md").read_text(encoding="utf-8"))]
    shown = [row for row in rows(README) if "% (" in "".join(row)]
    assert len(shown) == 3
    assert [row for row in shown if row not in results] == []


def test_figures_of_heads_are_those_of_the_model_card() -> None:
    card = (ROOT / "spark_cxr/backbones/embedded/CXRNET.md").read_text(encoding="utf-8")
    page = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    on_card = [row for row in rows(card) if re.search(r" on (CXRNet|SqueezeNet)", row[0])]
    assert len(on_card) == 8
    assert [row for row in on_card if row not in rows(page)] == []


def test_every_verb_has_a_place_among_the_pages_of_verbs() -> None:
    index = (ROOT / "docs/verbs/index.md").read_text(encoding="utf-8")
    assert [name for name in cli.names() if not re.search(rf"\b{name}\b", index)] == []


OF_EARLIER_VERSIONS = {"dhash"}
TABLES = {
    "images": schemas.IMAGES,
    "quarantine": schemas.QUARANTINE,
    "twins": schemas.TWINS,
    "features": schemas.FEATURE_ROWS,
    "predictions": schemas.TEST_PREDICTIONS,
    "evaluated": schemas.EVALUATED,
    "scores": schemas.SCORES,
    "explanations": schemas.EXPLANATIONS,
    "boxes": schemas.HEAT_IN_BOXES,
}


def described_columns(table: str) -> set[str]:
    """Read the columns of a table from the page of tables."""
    page = (ROOT / "docs/reference/tables.md").read_text(encoding="utf-8")
    part = page.split(f"\n## {table}\n")[1].split("\n## ")[0]
    return {name for row in rows(part) for name in INLINE.findall(row[0])}


@pytest.mark.parametrize("table", TABLES)
def test_page_of_tables_has_the_columns_of(table: str) -> None:
    reasons = set(REASONS) if table == "quarantine" else set()
    columns = set(schemas.columns(TABLES[table])) - OF_EARLIER_VERSIONS
    assert described_columns(table) == columns | reasons


def test_changelog_begins_with_the_version_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?v?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[:1] == [__version__]


def test_every_target_of_the_makefile_is_described() -> None:
    targets = described_targets(MAKEFILE)
    assert [name for name, told in targets.items() if not told] == []


def test_makefile_has_the_targets_of_the_issue() -> None:
    wanted = "help setup demo test test-all test-matrix check bench clean"
    assert set(wanted.split()) <= set(described_targets(MAKEFILE))


def test_every_target_is_phony() -> None:
    line = next(line for line in MAKEFILE.splitlines() if line.startswith(".PHONY:"))
    assert set(line.split()[1:]) == set(described_targets(MAKEFILE))


def test_makefile_starts_only_jobs_with_flags_that_they_have() -> None:
    block = re.sub(r"^\t@?", "", MAKEFILE, flags=re.MULTILINE)
    text = f"```\n{block}\n```\n"
    assert len(list(runs(text))) > 0
    assert (missing_jobs(text), wrong_flags(text), wrong_keys(text)) == ([], [], [])


# The checks themselves, on a page that is not true

UNTRUE = """
# A page
Type `make demo`, then `make nothing`, and make sure that it works.
See [the design](docs/NONE.md), [here](#a-page), [there](#nowhere), [it](README.md#install) and
[that](README.md#any), in `spark_cxr/none.py`, `spark_cxr/cli.py` and `conf/datasets/NAME.toml`.
<img src="docs/none.png"> ![a page](https://example.org/a.png)

```bash
$ make test VERBOSE=1 && make all   # not `make sure`
.venv/bin/spark-submit --master local[2] jobs/phantoms.py --out P \\
    --cuont 60 --set phantoms.size=96 --set phantoms.sise=96 --no-masks > log
spark-cxr train-lr --images P --epochs=3 | tail -n 1
spark-submit jobs/predict.py --model M
spark-cxr foresee --model M
spark-cxr --help
spark-cxr VERB --anything
```
"""


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (wrong_targets, ["all", "nothing"]),
        (missing_jobs, ["predict"]),
        (
            wrong_flags,
            [
                "phantoms --cuont",
                "train-lr --epochs",
                "predict --model",
                "predict",
                "foresee --model",
                "foresee",
            ],
        ),
        (wrong_keys, ["phantoms.sise=96"]),
        (dead_links, ["docs/NONE.md", "#nowhere", "README.md#any", "docs/none.png"]),
        (missing_paths, ["spark_cxr/none.py"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check_finds_what_is_not_true(check, found: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert check(UNTRUE) == found


@pytest.mark.parametrize(
    "check", [*CHECKS, dead_links, missing_paths], ids=lambda check: check.__name__
)
def test_check_lets_an_empty_page_pass(check) -> None:  # type: ignore[no-untyped-def]
    assert check("") == []
