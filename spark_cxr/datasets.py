"""A data set described as data: where its labels and patients come from, licence, citation.

`conf/datasets/NAME.toml` is such a description; a user's own file of that form works as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spark_cxr.config import conf_dir, read_toml
from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest


@dataclass(frozen=True)
class LabelRule:
    """What a publisher writes, as a regular expression, and the label it becomes."""

    match: str
    label: str


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
    key_column: str = ""
    label_column: str = ""
    patient_column: str = ""
    view_column: str = ""
    offset_column: str = ""
    """Days since the first symptoms or the admission."""
    unmatched: str = "error"
    keep: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Column of the CSV and the values with which a row counts."""
    rules: tuple[LabelRule, ...] = ()
    """The first that matches gives the label; none: the image has no label."""


def names() -> tuple[str, ...]:
    """Give the data sets that spark_cxr describes."""
    return tuple(sorted(path.stem for path in (conf_dir() / "datasets").glob("*.toml")))


def get(name: str) -> Dataset:
    """Read the description of a data set, by name or by file."""
    path = Path(name) if name.endswith(".toml") else conf_dir() / "datasets" / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise ConfigError("ingest.dataset by name, or a TOML file", name, nearest(name, names()))
    return _described(path.stem, read_toml(path))


def _described(name: str, values: Mapping[str, Any]) -> Dataset:
    known = [field.name for field in fields(Dataset) if field.name != "name"]
    for key in values:
        if key not in known:
            raise ConfigError(f"a key of a data set in {name}.toml", key, nearest(key, known))
    keep = tuple((column, tuple(allowed)) for column, allowed in values.get("keep", {}).items())
    rules = tuple(LabelRule(**rule) for rule in values.get("rules", ()))
    return Dataset(name=name, **{**values, "keep": keep, "rules": rules})
