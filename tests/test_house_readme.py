"""README is true: what it tells a user to type exists, and so does what it points to."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from spark_cxr import __version__, cli
from spark_cxr.config import flagged_items
from spark_cxr.errors import ConfigError
from spark_cxr.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")

BLOCK = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\"")
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
    named = set(re.findall(r"jobs/(\w+)\.py", text))
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
    return {*named, *(f"--no-{flag[2:]}" for flag in named), "--conf", "--set", "--help"}


def wrong_flags(text: str) -> list[str]:
    """Find verbs that do not exist, and flags that their job does not have."""
    found = []
    for verb, words in runs(text):
        if verb.startswith("-") or not re.fullmatch(r"[a-z][a-z_-]*", verb):
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


def dead_links(text: str) -> list[str]:
    """Find links and pictures whose file is not in the repository, and headings that are not."""
    text = BLOCK.sub("", text)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}
    found = []
    for link in (first or second for first, second in LINK.findall(text)):
        path, _, anchor = link.partition("#")
        is_dead = not (ROOT / path).exists() if path else anchor not in anchors
        if is_dead and not link.startswith(ELSEWHERE):
            found.append(link)
    return found


CHECKS = [wrong_targets, missing_jobs, wrong_flags, wrong_keys, dead_links]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_readme_has_no(check) -> None:  # type: ignore[no-untyped-def]
    assert check(README) == []


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
See [the design](docs/NONE.md), [here](#a-page), [there](#nowhere) and [it](README.md#any).
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
        (dead_links, ["docs/NONE.md", "#nowhere", "docs/none.png"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_check_finds_what_is_not_true(check, found: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert check(UNTRUE) == found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_lets_an_empty_page_pass(check) -> None:  # type: ignore[no-untyped-def]
    assert check("") == []
