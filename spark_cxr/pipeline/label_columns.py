"""Which columns of a label file say what, by the names that were given or by usual ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

from pyspark.sql import Column
from pyspark.sql import functions as F

from spark_cxr.datasets import (
    COLUMNS,
    FILE_LABEL_NAMES,
    JOINED,
    KEYS,
    ROWS,
    RUN_LENGTHS,
    Dataset,
)
from spark_cxr.errors import InputError, few, nearest
from spark_cxr.pipeline.finding_names import FindingNames

PATIENTS = ("patient_id", "patientid", "patient id", "patient")
AGES = ("age", "patient age", "patient_age", "age_years")
SEXES = ("sex", "gender", "patient gender", "patient sex", "patient_sex")
MAKERS = ("maker", "manufacturer")
DEVICES = ("device", "device_model", "manufacturermodelname", "manufacturer_model_name")
READERS = ("rad_id", "reader", "reader_id", "radiologist", "annotator")
RUN_LENGTH_NAMES = ("encodedpixels", "rle", "run_lengths")
NEEDED = ("key_column", "label_column")
BOXES = {"x_min", "xmin", "bbox", "bbox [x,y,w,h]"}
PART = r"\{([^}]+)\}"
"""A column within the key that a data set makes of several."""
MOST_COLUMNS = 12
"""Columns that an error names: in a file without a header they are what stands in its first row."""


@dataclass(frozen=True)
class LabelColumns:
    """Which columns of a label file say what; None: nothing says it."""

    key: str
    label: str
    patient: str | None
    source: str | None
    view: str | None
    day_offset: str | None
    age: str | None = None
    sex: str | None = None
    maker: str | None = None
    device: str | None = None
    birth: str | None = None
    date: str | None = None
    reader: str | None = None
    projection: str | None = None

    def others(self) -> set[str]:
        """Name the columns that say something else than a finding."""
        named = {getattr(self, each.name) for each in fields(self) if each.name != "label"}
        return named - {None}


def columns_of(
    header: Sequence[str], path: str, dataset: Dataset, needs_label: bool = True
) -> LabelColumns:
    """Find the columns of a label file by the names that were given, or by usual ones."""
    for column, _ in dataset.keep:
        _check_named(header, path, column)
    find = partial(_optional, header, path, dataset)
    return LabelColumns(
        key=_key(header, path, dataset),
        label=_label(header, path, dataset, needs_label),
        patient=find("patient_column", PATIENTS),
        source=find("", ("source",)),
        view=find("view_column", ("view",)),
        day_offset=find("offset_column", ()),
        age=find("age_column", AGES),
        sex=find("sex_column", SEXES),
        maker=find("maker_column", MAKERS),
        device=find("device_column", DEVICES),
        birth=find("birth_column", ()),
        date=find("date_column", ()),
        reader=find("reader_column", READERS),
        projection=find("projection_column", ()),
    )


def form_of(header: Sequence[str], named: LabelColumns, dataset: Dataset) -> str:
    """Tell how a label file writes findings: as the data set says, else as its columns show."""
    is_own = dataset.findings == COLUMNS or named.label.strip() == dataset.label_column
    if dataset.findings and (is_own or not dataset.optional_columns):
        return dataset.findings
    plain = {column.strip().lower() for column in header}
    if named.label.strip().lower() in RUN_LENGTH_NAMES:
        return RUN_LENGTHS
    has_cells = any(map(FindingNames(dict(dataset.synonyms)).is_finding, header))
    if not named.label or (has_cells and not dataset.label_column):
        return COLUMNS
    return ROWS if named.reader or plain & BOXES else JOINED


def _key(header: Sequence[str], path: str, dataset: Dataset) -> str:
    """Find the column that names the file; empty where a key is made of several columns."""
    parts = re.findall(PART, dataset.key)
    if parts and not {*parts} - {*header} and dataset.key_column not in header:
        return ""
    found = _optional(header, path, dataset, "key_column", KEYS)
    return _needed(header, path, found, KEYS, "that names the image file")


def _label(header: Sequence[str], path: str, dataset: Dataset, is_needed: bool) -> str:
    usual = FILE_LABEL_NAMES if is_needed else (*FILE_LABEL_NAMES, *RUN_LENGTH_NAMES)
    found = _optional(header, path, dataset, "label_column", usual)
    return _needed(header, path, found, usual, "with the label") if is_needed else found or ""


def _needed(
    header: Sequence[str], path: str, found: str | None, usual: Sequence[str], what: str
) -> str:
    if found:
        return found
    received = f"{path} with columns {few(header, MOST_COLUMNS)}"
    way_out = "Name it with --key-column, --label-column"
    if any(map(FindingNames().is_finding, header)):
        way_out += ", or take a column for each finding with --findings"
    raise InputError(f"a column {what}, such as {', '.join(usual[:3])}", received, way_out)


def _optional(
    header: Sequence[str], path: str, dataset: Dataset, role: str, usual: Sequence[str]
) -> str | None:
    wanted = getattr(dataset, role) if role else ""
    by_lower = {column.strip().lower(): column for column in header}
    # What a second file says is missing where that file is.
    may_lack = wanted in dataset.optional_columns or (dataset.joins and role not in NEEDED)
    if may_lack and wanted.lower() not in by_lower:
        wanted = ""
    if wanted:
        return _check_named(header, path, wanted)
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _check_named(header: Sequence[str], path: str, wanted: str) -> str:
    for column in header:
        if column.strip() == wanted.strip():
            return column
    received = f"{path} with columns {few(header, MOST_COLUMNS)}"
    raise InputError(f"a column {wanted}", received, nearest(wanted, header, MOST_COLUMNS))


def column_or_null(name: str | None) -> Column:
    """Name a column, also one with a dot or a backtick; null where there is none."""
    quoted = (name or "").replace("`", "``")
    return F.col(f"`{quoted}`") if name else F.lit(None).cast("string")
