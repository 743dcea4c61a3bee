"""A label file, or the folder that a file lies in, as rows of `schemas.LABELS`."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.datasets import COLUMNS, JOINED, RUN_LENGTHS, Dataset
from spark_cxr.errors import InputError
from spark_cxr.images.demographics import CAPPED, OLDEST
from spark_cxr.pipeline.finding_names import ALL
from spark_cxr.pipeline.finding_policy import FindingPolicy
from spark_cxr.pipeline.label_columns import PART, LabelColumns, column_or_null, columns_of, form_of
from spark_cxr.pipeline.label_file import read_rows
from spark_cxr.pipeline.label_match import BAR, STEM
from spark_cxr.pipeline.label_matrix import (
    FINDINGS_TYPE,
    NAMES,
    READER,
    agreed,
    finding_columns,
    gathered,
    is_blank,
    names_said,
    of_cells,
    of_names,
    with_label,
    yes_or_no,
)
from spark_cxr.pipeline.text_columns import (
    composed,
    device_names,
    maker_names,
    pseudonymised,
)
from spark_cxr.schemas import FINDINGS, LABEL, LABELS, PATH, columns

FOLDER_OF_FILE = r"([^/]+)/(?:images/)?[^/]+$"
OF_ARCHIVE = r"\.[A-Za-z.]+!$"
"""The end of an archive's name, whose films are those of a class: COVID.zip is of COVID."""
AGE = r"^(\d{1,4})(?:\.\d*)?([YMWD]?)$"
YEAR = r"^\s*((?:19|20)\d\d)"
WHOLE_NUMBER = r"^\s*-?\d{1,9}(\.0*)?\s*$"


def label_from_path(dataset: Dataset) -> Column:
    """Read the label off the path: the folder, or what the data set's expression finds."""
    found = F.regexp_extract(F.col(PATH), dataset.label_regex or FOLDER_OF_FILE, 1)
    found = F.regexp_replace(found, OF_ARCHIVE, "")
    return _renamed(composed(F.when(found != "", found)), dataset)


def read_labels(
    spark: SparkSession,
    path: str,
    dataset: Dataset,
    key: bytes | None = None,
    policy: FindingPolicy | None = None,
) -> DataFrame:
    """Read a label file into `schemas.LABELS`; patients leave it as pseudonyms.

    Args:
        spark: The session.
        path: The file.
        dataset: Says what its columns are.
        key: Makes the pseudonyms; without it no patient leaves the file.
        policy: Which findings are wanted; None: the file has one label a film.
    """
    rows = read_rows(spark, path, dataset, of_findings=policy is not None)
    named = columns_of(rows.columns, path, dataset, needs_label=policy is None)
    for column, allowed in dataset.keep:
        rows = rows.where(column_or_null(column).isin(*allowed))
    facts = _facts(named, dataset, key)
    label = _renamed(F.trim(composed(column_or_null(named.label))), dataset)
    if policy is None:
        nothing = F.lit(None).cast(FINDINGS_TYPE)
        rows = rows.select(*facts, label.alias(LABEL), nothing.alias(FINDINGS))
    else:
        rows = _with_findings(rows, path, named, facts, label, dataset, policy)
    return rows.select(*columns(LABELS)).where(F.col("key").isNotNull())


def _facts(named: LabelColumns, dataset: Dataset, key: bytes | None) -> list[Column]:
    """Give what a row says of a film beside its label."""
    nobody = column_or_null(None)
    patient = pseudonymised(key)(column_or_null(named.patient)) if key is not None else nobody
    offset = column_or_null(named.day_offset)
    return [
        _key(named, dataset).alias("key"),
        column_or_null(named.source).alias("source"),
        patient.alias("patient_id"),
        F.coalesce(
            normal_view(column_or_null(named.view)), normal_view(column_or_null(named.projection))
        ).alias("view"),
        F.when(offset.rlike(WHOLE_NUMBER), offset.cast("double").cast("int")).alias("day_offset"),
        _age(named).alias("age"),
        normal_sex(column_or_null(named.sex)).alias("sex"),
        _named(maker_names, named.maker).alias("maker"),
        _named(device_names, named.device).alias("device"),
    ]


def _named(names: Callable[[Column], Column], column: str | None) -> Column:
    """Bring names to one form, where there is a column of them: a worker in Python is not free."""
    return names(column_or_null(column)) if column else column_or_null(None)


def _key(named: LabelColumns, dataset: Dataset) -> Column:
    """Name the file by its column, or by what the data set makes of several."""
    if named.key:
        key = normal_key(composed(column_or_null(named.key)))
        return F.regexp_replace(key, r"\.[^./]+$", "") if dataset.key_of == STEM else key
    parts = re.split(PART, dataset.key)
    made = [F.lit(part) if n % 2 == 0 else column_or_null(part) for n, part in enumerate(parts)]
    return normal_key(composed(F.concat(*made)))


def _with_findings(
    rows: DataFrame,
    path: str,
    named: LabelColumns,
    facts: list[Column],
    label: Column,
    dataset: Dataset,
    policy: FindingPolicy,
) -> DataFrame:
    """Read what the rows say of each finding, in whichever form the file says it."""
    form = form_of(rows.columns, named, dataset)
    reader = column_or_null(named.reader).alias(READER)
    film = [name for name in columns(LABELS) if name not in (LABEL, FINDINGS)]
    if form == COLUMNS:
        cells = finding_columns(rows, named.others(), policy.names, path)
        rows = of_cells(rows, cells, policy).select(FINDINGS, reader, *facts)
    else:
        one = _one(form, path, dataset, policy)
        said = yes_or_no(label, one) if one else names_said(label, dataset.between or BAR)
        if one:
            _check_answers(rows, label, said, path)
        rows = rows.select(said.alias(NAMES), reader, *facts)
        if form != JOINED:
            rows = gathered(rows, [*film, READER])
        rows = of_names(rows, policy, one)
    if named.reader:
        rows = agreed(rows, film, policy.agreement)
    return rows if LABEL in rows.columns else with_label(rows)


def _check_answers(rows: DataFrame, label: Column, said: Column, path: str) -> None:
    """Refuse what is neither yes nor no of the one finding that a file is about."""
    strange = rows.where(said.isNull() & ~is_blank(label)).count()
    if strange:
        received = f"{path} with {strange:,} others"
        way_out = "Correct them, or name the column of labels with --label-column"
        expected = "1, 0, -1, nothing, or pairs of numbers as run lengths"
        raise InputError(expected, received, way_out)


def _one(form: str, path: str, dataset: Dataset, policy: FindingPolicy) -> str:
    """Name the finding that a file is about, where it is about one."""
    if dataset.finding or form != RUN_LENGTHS:
        return policy.names.of(dataset.finding) if dataset.finding else ""
    if len(policy.wanted) != 1 or ALL in policy.wanted:
        received, way_out = ", ".join(policy.wanted), "Give --findings NAME"
        raise InputError(f"one finding that the run lengths of {path} outline", received, way_out)
    return policy.names.of(policy.wanted[0])


def _age(named: LabelColumns) -> Column:
    """Give whole years; who is older than 89 is 90, because so few are that an age may name one."""
    written = F.upper(F.trim(column_or_null(named.age)))
    number, unit = (F.regexp_extract(written, AGE, group) for group in (1, 2))
    share = F.when(unit == "M", 12).when(unit == "W", 52.18).when(unit == "D", 365.25).otherwise(1)
    birth, date = (
        F.regexp_extract(column_or_null(name), YEAR, 1) for name in (named.birth, named.date)
    )
    lived = F.when((birth != "") & (date != ""), date.cast("int") - birth.cast("int"))
    years = F.coalesce(F.when(number != "", F.floor(number.cast("int") / share)), lived)
    return F.when((years >= 0) & (years <= OLDEST), F.least(years, F.lit(CAPPED))).cast("int")


def normal_sex(sex: Column) -> Column:
    """Bring the ways to write a sex down to F and M."""
    upper = F.upper(F.trim(sex))
    return F.when(upper.isin("F", "FEMALE", "W", "WOMAN"), "F").when(
        upper.isin("M", "MALE", "MAN"), "M"
    )


def normal_view(view: Column) -> Column:
    """Bring the ways to write a view down to PA, AP and lateral."""
    upper = F.upper(F.trim(view))
    return (
        F.when(upper == "PA", "PA")
        .when(upper.startswith("AP"), "AP")
        .when(upper.isin("L", "LL", "RL", "LAT", "LATERAL"), "lateral")
    )


def normal_key(key: Column) -> Column:
    """Write a path as Spark does, without what only says where it starts."""
    forward = F.translate(F.trim(key), "\\", "/")
    return F.regexp_replace(forward, r"^(file:/+|\./|/+)", "")


def _renamed(written: Column, dataset: Dataset) -> Column:
    if not dataset.rules:
        return written
    label = F.lit(None).cast("string")
    for rule in reversed(dataset.rules):
        label = F.when(written.rlike(rule.match), F.lit(rule.label)).otherwise(label)
    return label
