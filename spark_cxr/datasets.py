"""A data set described as data: where its labels and patients come from, licence, citation.

`conf/datasets/NAME.toml` is such a description; a user's own file of that form works as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spark_cxr.choices import BLANK, UNMATCHED
from spark_cxr.config import conf_dir, read_toml
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.film_places import named_folders

JOINED, COLUMNS, ROWS, RUN_LENGTHS = "joined", "columns", "rows", "run lengths"
FORMS = (JOINED, COLUMNS, ROWS, RUN_LENGTHS)
"""How a label file writes findings: in one cell, A|B or a list; in a column each; in a row a box or
reader; as run lengths that outline one."""
CHOICES = {
    "unmatched": UNMATCHED,
    "findings": ("", *FORMS),
    "blank": ("", *BLANK),
    "key_of": ("", "folder", "stem"),
}
OURS = ("name", "optional_columns")
"""Fields that no description sets."""
PATTERNS = ("label_regex", "patient_regex", "leave_out", "split_regex")
"""The keys that hold regular expressions."""
KEYS = (
    *("path", "filename", "file_name", "file", "image", "image_path", "image index", "name", "id"),
    *("image_id", "imageid"),
)
LABEL_NAMES = ("label", "labels", "class", "finding", "finding labels", "diagnosis", "target")
FILE_LABEL_NAMES = (*LABEL_NAMES, "findings", "finding label", "class_name")
"""What columns of label files are called that name a film, and what it has."""


@dataclass(frozen=True)
class LabelRule:
    """What a publisher writes, as a regular expression, and the label it becomes."""

    match: str
    label: str


@dataclass(frozen=True)
class PublishedResult:
    """What others reported on a set, and how they split it."""

    who: str
    task: str
    accuracy: float
    split: str
    source: str


@dataclass(frozen=True)
class LabelJoin:
    """A file beside the label file that says more, and the columns that both have."""

    file: str
    on: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """What has to be known about a set of images before it can be used."""

    name: str
    title: str = ""
    url: str = ""
    licence: str = ""
    citation: str = ""
    labels: str = "folder"
    """`folder`, or the name of a CSV file in or above the image folder."""
    label_regex: str = ""
    """Where labels come from the path: its first group is the label."""
    patient_regex: str = ""
    """Searched in the path: its first group is the patient."""
    leave_out: str = ""
    """Paths that match are no films (masks, say)."""
    more_labels: tuple[str, ...] = ()
    """Files of the same form beside the label file, where they are there."""
    joins: tuple[LabelJoin, ...] = ()
    delimiter: str = ""
    """What stands between the columns of the label file; empty: a comma."""
    header: tuple[str, ...] = ()
    """The columns of a label file that does not name them."""
    key: str = ""
    """Makes the key of columns, like p{subject_id}/s{study_id}, where there is no `key_column`."""
    key_of: str = ""
    """What the key names: `folder`, or `stem`, a path without its ending; empty: a file."""
    key_column: str = ""
    label_column: str = ""
    patient_column: str = ""
    view_column: str = ""
    projection_column: str = ""
    """Says frontal or lateral, where the view says no more."""
    offset_column: str = ""
    """Days since the first symptoms or the admission."""
    age_column: str = ""
    sex_column: str = ""
    maker_column: str = ""
    device_column: str = ""
    birth_column: str = ""
    """Where the file has no age: year of birth, and with `date_column` the day of the film."""
    date_column: str = ""
    reader_column: str = ""
    """Who has read the film, where a film has several readers."""
    findings: str = ""
    """How the label file writes findings (`FORMS`); empty: as its columns show."""
    finding: str = ""
    """The finding that the label file is about, where its label column says yes and no."""
    uncertain: tuple[str, ...] = ()
    """What -1 counts as: a word, or Finding=word."""
    blank: str = ""
    between: str = ""
    """What stands between findings in one cell; empty: a bar."""
    ignored: tuple[str, ...] = ()
    """Words of the label column that are no findings."""
    synonyms: tuple[tuple[str, str], ...] = ()
    """What the publisher writes, and the finding that it is, beside conf/findings.toml."""
    optional_columns: tuple[str, ...] = ()
    """Where the label file is not the publisher's: columns that it need not have by these names."""
    split_regex: str = ""
    """The publisher's split by path: its first group says train, val or test."""
    split_lists: tuple[tuple[str, str], ...] = ()
    """The publisher's split by files of names: the file, and the side of its films."""
    unmatched: str = "error"
    keep: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Column of the CSV and the values with which a row counts."""
    rules: tuple[LabelRule, ...] = ()
    """The first that matches gives the label; none: the image has no label."""
    published: tuple[PublishedResult, ...] = ()


def names() -> tuple[str, ...]:
    """Give the data sets that spark_cxr describes."""
    return tuple(sorted(path.stem for path in (conf_dir() / "datasets").glob("*.toml")))


def get(name: str) -> Dataset:
    """Read the description of a data set, by name or by file."""
    path = Path(name) if name.endswith(".toml") else conf_dir() / "datasets" / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        expected, received = "ingest.dataset by name, or a TOML file", f"ingest.dataset={name}"
        raise ConfigError(expected, received, nearest(name, names()))
    return _described(path.stem, read_toml(path, "a description of a data set", "--dataset"))


def get_all(text: str) -> tuple[Dataset, ...]:
    """Read the descriptions that `--dataset` names: NAME, or NAME=FOLDER,NAME=FOLDER."""
    return tuple(get(name) for name, _ in named_folders(text))


def _described(name: str, values: Mapping[str, Any]) -> Dataset:
    kinds = {each.name: each.type for each in fields(Dataset) if each.name not in OURS}
    for key, value in values.items():
        if key not in kinds:
            raise ConfigError(f"a key of a data set in {name}.toml", key, nearest(key, [*kinds]))
        if kinds[key] == "str" and not isinstance(value, str):
            received = f"{key}={value!r}"
            raise ConfigError(f"{key} of {name}.toml as text", received, "Put it in quotes")
        if kinds[key] == "tuple[str, ...]":
            _check_texts(name, key, value)
        if key in PATTERNS:
            _check_pattern(name, key, value)
    for key, words in CHOICES.items():
        _check_choice(name, key, values.get(key, words[0]), words)
    keep, rules = _keep(name, values.get("keep", {})), _rules(name, values.get("rules", []))
    published = _published(name, values.get("published", []))
    lists: dict[str, Any] = {"keep": keep, "rules": rules, "published": published}
    lists |= {key: _pairs(name, key, values.get(key, {})) for key in ("synonyms", "split_lists")}
    lists["joins"] = _joins(name, values.get("joins", []))
    lists |= {key: tuple(value) for key, value in values.items() if kinds[key] == "tuple[str, ...]"}
    return Dataset(name=name, **{**values, **lists})


def _check_choice(name: str, key: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        expected = f"{key} of {name}.toml from {', '.join(filter(None, words))}"
        raise ConfigError(expected, f"{key}={word}", nearest(word, [*filter(None, words)]))


def _check_texts(name: str, key: str, value: Any) -> None:
    if not (isinstance(value, list) and all(map(_is_text, value))):
        received, way_out = f"{key}={value!r}", f'Write it like {key} = ["a", "b"]'
        raise ConfigError(f"{key} of {name}.toml as a list of texts", received, way_out)


def _pairs(name: str, key: str, written: Any) -> tuple[tuple[str, str], ...]:
    if not (isinstance(written, dict) and all(map(_is_text, written.values()))):
        received, way_out = f"{key}={written!r}", 'Write it like "Derrame pleural" = "Effusion"'
        raise ConfigError(f"[{key}] of {name}.toml with a text for each name", received, way_out)
    return tuple(written.items())


def _joins(name: str, written: Any) -> tuple[LabelJoin, ...]:
    for row in written if isinstance(written, list) else [written]:
        if not (isinstance(row, dict) and set(row) == {"file", "on"} and _is_text(row["file"])):
            expected = f"[[joins]] of {name}.toml with file and on"
            raise ConfigError(expected, f"joins={row!r}", "See conf/datasets/mimic.toml")
        _check_texts(name, "on", row["on"])
    return tuple(LabelJoin(row["file"], tuple(row["on"])) for row in written)


def _check_pattern(name: str, key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        expected = f"{key} of {name}.toml as a regular expression"
        way_out = "Put a backslash before (, [, * and the like"
        raise ConfigError(expected, f"{key}={pattern} ({error})", way_out) from None


def _keep(name: str, written: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    lists = written.values() if isinstance(written, dict) else [None]
    if not all(isinstance(allowed, list) and all(map(_is_text, allowed)) for allowed in lists):
        way_out = 'Write it like modality = ["X-ray"]'
        expected = f"[keep] of {name}.toml with a list of values for each column"
        raise ConfigError(expected, f"keep={written!r}", way_out)
    return tuple((column, tuple(allowed)) for column, allowed in written.items())


def _rules(name: str, written: Any) -> tuple[LabelRule, ...]:
    for rule in written if isinstance(written, list) else [written]:
        is_pair = isinstance(rule, dict) and set(rule) == {"match", "label"}
        if not (is_pair and all(map(_is_text, rule.values()))):
            expected = f"[[rules]] of {name}.toml with match and label as text"
            raise ConfigError(expected, f"rules={rule!r}", "See conf/datasets/cohen.toml")
        _check_pattern(name, "match", rule["match"])
    return tuple(LabelRule(**rule) for rule in written)


def _published(name: str, written: Any) -> tuple[PublishedResult, ...]:
    wanted = {field.name for field in fields(PublishedResult)}
    for row in written if isinstance(written, list) else [written]:
        whole = isinstance(row, dict) and set(row) == wanted
        if not (whole and isinstance(row["accuracy"], float) and 0 <= row["accuracy"] <= 1):
            expected = f"[[published]] of {name}.toml with {', '.join(sorted(wanted))}"
            way_out = "Write the accuracy as a share, as in conf/datasets/ozturk.toml"
            raise ConfigError(expected, f"published={row!r}", way_out)
    return tuple(PublishedResult(**row) for row in written)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
