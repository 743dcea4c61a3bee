"""Where labels, patients and views of images come from: folder names or a label file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.csv_text import UTF_8, read_csv_text, uncompressed
from spark_cxr.pipeline.text_columns import composed, pseudonymised
from spark_cxr.schemas import CONTENT, LABELS, PATH, columns
from spark_cxr.settings import Ingest, few, nearest

FOLDER_OF_FILE = r"([^/]+)/(?:images/)?[^/]+$"
KEYS = ("path", "filename", "file_name", "file", "image", "image_path", "image index", "name", "id")
LABEL_NAMES = ("label", "labels", "class", "finding", "finding labels", "diagnosis", "target")
PATIENTS = ("patient_id", "patientid", "patient id", "patient")
WHOLE_NUMBER = r"^\s*-?\d{1,9}(\.0*)?\s*$"
EXAMPLES = 3
MOST_COLUMNS = 12
"""Columns that an error names: in a file without a header they are what stands in its first row."""
WHOLE = 5
"""Letters of a file's name that an error shows as they are: names of files may be ids."""
CHECKED = "encoding string, expected string, received string, way_out string"
FROM_LABELS = {
    "label": "string",
    "day_offset": "int",
    "file_patient": "string",
    "file_view": "string",
    "file_source": "string",
    "findings": "map<string,boolean>",
    "age": "int",
    "sex": "string",
}
"""What a label file or a folder name may say of an image, beside what the file itself says."""
CONTRARY = {"label": "label", "patient_id": "patient"}
"""Of what a label file may say one thing only about a file, and what people call it."""
NO_FILE = ("folder", "none")
"""What `labels` may be beside a file."""


@dataclass(frozen=True)
class LabelColumns:
    """Which columns of a label file say what; None: nothing says it."""

    key: str
    label: str
    patient: str | None
    source: str | None
    view: str | None
    day_offset: str | None


@dataclass(frozen=True)
class Unmatched:
    """What a label file and a folder do not have in common."""

    rows: int
    files: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        """Count and name the first few."""
        listed = ", ".join(map(shortened, self.examples))
        return f"{self.rows:,} rows without a file, {self.files:,} files without a row ({listed})"


def shortened(name: str) -> str:
    """Give of a file's name, or of the key that names it, enough to find it by and no id."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    stem, end = (stem, f"{dot}{suffix}") if stem and len(suffix) <= WHOLE else (name, "")
    return f"{stem if len(stem) <= WHOLE else f'{stem[:2]}…{stem[-2:]}'}{end}"


def label_from_path(dataset: Dataset) -> Column:
    """Read the label off the path: the folder, or what the data set's expression finds."""
    found = F.regexp_extract(F.col(PATH), dataset.label_regex or FOLDER_OF_FILE, 1)
    return _renamed(composed(F.when(found != "", found)), dataset)


def columns_of(header: Sequence[str], path: str, dataset: Dataset) -> LabelColumns:
    """Find the columns of a label file by the names that were given, or by usual ones."""
    for column, _ in dataset.keep:
        _check_named(header, path, column)
    return LabelColumns(
        key=_found(header, path, dataset.key_column, KEYS, "that names the image file"),
        label=_found(header, path, dataset.label_column, LABEL_NAMES, "with the label"),
        patient=_optional(header, path, dataset.patient_column, PATIENTS),
        source=_optional(header, path, "", ("source",)),
        view=_optional(header, path, dataset.view_column, ("view",)),
        day_offset=_optional(header, path, dataset.offset_column, ()),
    )


def read_labels(
    spark: SparkSession, path: str, dataset: Dataset, key: bytes | None = None
) -> DataFrame:
    """Read a label file into `schemas.LABELS`; patients leave it as pseudonyms.

    Without a key no patient leaves it.
    """
    rows = _read_csv(spark, path)
    named = columns_of(rows.columns, path, dataset)
    for column, allowed in dataset.keep:
        rows = rows.where(_column(column).isin(*allowed))
    patient = pseudonymised(key)(_column(named.patient)) if key is not None else _column(None)
    offset = _column(named.day_offset)
    return rows.select(
        normal_key(composed(_column(named.key))).alias("key"),
        _renamed(F.trim(composed(_column(named.label))), dataset).alias("label"),
        _column(named.source).alias("source"),
        patient.alias("patient_id"),
        normal_view(_column(named.view)).alias("view"),
        F.when(offset.rlike(WHOLE_NUMBER), offset.cast("double").cast("int")).alias("day_offset"),
        *(F.lit(None).cast(FROM_LABELS[name]).alias(name) for name in ("findings", "age", "sex")),
    ).where(F.col("key").isNotNull())


def match(paths: DataFrame, labels: DataFrame) -> DataFrame:
    """Give each path the row of the label file whose key names it: by path, file name or stem.

    A key that says more of the path counts before one that says less.
    """
    labelled = keys_of(paths).join(labels, on="key", how="inner")
    best = F.max_by(F.struct("key", *columns(LABELS)[1:]), F.col("depth"))
    return labelled.groupBy(PATH).agg(best.alias("row")).select(PATH, "row.*")


def keys_of(paths: DataFrame) -> DataFrame:
    """Give the keys that name each path: its stem, its file name, and more of it, by `depth`."""
    paths = paths.select(PATH, composed(F.col(PATH)).alias("name"))
    parts = F.split(F.col("name"), "/")
    suffixes = F.transform(
        F.sequence(F.lit(1), F.size(parts)),
        lambda depth: F.array_join(F.slice(parts, -depth, depth), "/"),
    )
    name = F.substring_index(F.col("name"), "/", -1)
    stem = F.regexp_replace(name, r"\.[^.]+$", "")
    keys = F.posexplode(F.concat(F.array(stem), suffixes))
    return paths.select(PATH, keys.alias("depth", "key"))


def check_labels(labels: DataFrame, path: str) -> None:
    """Refuse a label file without rows, or with two labels or patients for one key."""
    keys = labels.groupBy("key").agg(
        *(F.count_distinct(name).alias(name) for name in CONTRARY),
        F.max(F.concat_ws("", "key", "label").rlike("[\r\n]")).alias("broken"),
    )
    counts = [F.count_if(F.col(name) > 1) for name in CONTRARY]
    rows, broken, *doubled = keys.agg(F.count("*"), F.count_if("broken"), *counts).collect()[0]
    if not rows:
        raise InputError("a label file with rows", f"{path}: no row that counts", "Check the file")
    if broken:
        received = f"{path}: {broken:,} with a line's end within"
        raise InputError("keys and labels of one line", received, "Look for a quote too many")
    for (name, what), count in zip(CONTRARY.items(), doubled, strict=True):
        if count:
            first = keys.where(F.col(name) > 1).orderBy("key").limit(EXAMPLES).collect()
            named = ", ".join(shortened(row["key"]) for row in first)
            rest = f" and {count - len(first):,} more" if count > len(first) else ""
            received = f"{path}: {named}{rest} with several {what}s"
            raise InputError(f"one {what} for each key", received, "Correct the file")


def find_unmatched(paths: DataFrame, labels: DataFrame, matched: DataFrame) -> Unmatched:
    """Count and sample the rows without a file and the files without a row."""
    rows = labels.select("key").distinct().join(matched.select("key"), on="key", how="left_anti")
    files = paths.select(PATH).join(matched.select(PATH), on=PATH, how="left_anti")
    n_rows, names = _counted(rows, "key")
    n_files, addresses = _counted(files, PATH)
    return Unmatched(n_rows, n_files, (*names, *(a.rsplit("/", 1)[-1] for a in addresses)))


def _counted(rows: DataFrame, column: str) -> tuple[int, list[str]]:
    """Count rows, and name the first few where there are any."""
    count = rows.count()
    first = rows.orderBy(column).limit(EXAMPLES).collect() if count else []
    return count, [row[column] for row in first]


def label_file(name: str, images: Sequence[str]) -> str:
    """Find the label file of a data set in or above one of the image folders."""
    tried = []
    for root in (absolute(image) for image in images):
        for folder in (root.rstrip("/"), root.rstrip("/").rsplit("/", 1)[0]):
            store, path = locate(f"{folder}/{name}")
            if store.get_file_info(path).is_file:
                return f"{folder}/{name}"
            tried.append(folder)
    raise InputError(f"{name} in or above --images", ", ".join(tried), "Give --labels FILE.csv")


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


def _read_csv(spark: SparkSession, path: str) -> DataFrame:
    options = {"header": "true", "multiLine": "true", "escape": '"'}
    try:
        encoding = _check_text(spark, path)
        rows = spark.read.options(**options, encoding=encoding).csv(absolute(path))
        if not rows.columns:
            raise InputError("a label file with a header", path, "Check the file")
    except AnalysisException as error:
        received = f"{path} ({str(error).splitlines()[0]})"
        raise InputError("a label file that can be read", received, "Check --labels") from None
    return rows


def _check_text(spark: SparkSession, path: str) -> str:
    """Name the encoding of a label file; refuse one that Spark would not read as it is meant."""
    files = spark.read.format("binaryFile").load(absolute(path)).select(CONTENT, PATH)
    found = files.mapInArrow(partial(_texts, path), CHECKED).collect()
    for row in found:
        if row["expected"]:
            raise InputError(row["expected"], row["received"], row["way_out"])
    encodings = sorted({row["encoding"] for row in found})
    if len(encodings) > 1:
        way_out = "Save them as CSV in UTF-8"
        raise InputError("label files of one encoding", f"{path}: {few(encodings)}", way_out)
    return encodings[0] if encodings else UTF_8


def _texts(name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Check on a worker, where any store of Spark's can be read."""
    for batch in batches:
        rows = [("", "", "", "")] * batch.num_rows
        for number, row in enumerate(batch.to_pylist()):
            try:
                text = read_csv_text(uncompressed(row[CONTENT], row[PATH]), name)
                rows[number] = (text.encoding, "", "", "")
            except InputError as error:
                rows[number] = ("", *error.args)
        columns_ = zip(*rows, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(c, pa.string()) for c in columns_], columns(CHECKED)
        )


def _found(header: Sequence[str], path: str, wanted: str, usual: Sequence[str], what: str) -> str:
    if found := _optional(header, path, wanted, usual):
        return found
    received = f"{path} with columns {few(header, MOST_COLUMNS)}"
    way_out = "Name it with --key-column, --label-column"
    raise InputError(f"a column {what}, such as {', '.join(usual[:3])}", received, way_out)


def _optional(header: Sequence[str], path: str, wanted: str, usual: Sequence[str]) -> str | None:
    if wanted:
        return _check_named(header, path, wanted)
    by_lower = {column.lower(): column for column in header}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _check_named(header: Sequence[str], path: str, wanted: str) -> str:
    if wanted not in header:
        received = f"{path} with columns {few(header, MOST_COLUMNS)}"
        raise InputError(f"a column {wanted}", received, nearest(wanted, header, MOST_COLUMNS))
    return wanted


def _column(name: str | None) -> Column:
    return F.col(f"`{name}`") if name else F.lit(None).cast("string")


def _renamed(written: Column, dataset: Dataset) -> Column:
    if not dataset.rules:
        return written
    label = F.lit(None).cast("string")
    for rule in reversed(dataset.rules):
        label = F.when(written.rlike(rule.match), F.lit(rule.label)).otherwise(label)
    return label


def dataset_of(settings: Ingest) -> Dataset:
    """Put what the settings say about labels and patients over the data set's description."""
    known = datasets.get(settings.dataset) if settings.dataset else Dataset(name="")
    names = ("labels", "key_column", "label_column", "patient_column", "patient_regex", "unmatched")
    given: dict[str, Any] = {name: getattr(settings, name) for name in names}
    dataset = replace(known, **{name: value for name, value in given.items() if value})
    _check_regex(dataset.patient_regex)
    return dataset


def label_rows(spark: SparkSession, settings: Ingest, key: bytes | None = None) -> DataFrame | None:
    """Read the label file (`schemas.LABELS`); None where labels come from folders or nowhere."""
    dataset = dataset_of(settings)
    if dataset.labels in NO_FILE:
        return None
    return read_labels(spark, label_path(settings), dataset, key)


def labels_of_files(files: DataFrame, rows: DataFrame | None, settings: Ingest) -> DataFrame:
    """Gather what a label file or the folder names say of the files: path, key, and `FROM_LABELS`.

    `rows` are those of `label_rows`.
    """
    if rows is None:
        dataset = dataset_of(settings)
        known = {"label": label_from_path(dataset)} if dataset.labels == "folder" else {}
        return files.select(PATH).withColumns(
            {name: known.get(name, F.lit(None)).cast(kind) for name, kind in FROM_LABELS.items()}
        )
    matched = match(files, rows)
    renamed = {"patient_id": "file_patient", "view": "file_view", "source": "file_source"}
    return matched.withColumnsRenamed(renamed).select(PATH, "key", *FROM_LABELS)


def check_match(
    files: DataFrame, matched: DataFrame, rows: DataFrame | None, settings: Ingest
) -> str:
    """Refuse a label file that does not fit the files; say what does not match where it may."""
    if rows is None:
        return ""
    path = label_path(settings)
    check_labels(rows, path)
    unmatched = find_unmatched(files, rows, matched)
    if not (unmatched.rows or unmatched.files):
        return ""
    if dataset_of(settings).unmatched == "error":
        way_out = "Correct the file, or add --unmatched keep"
        raise InputError(f"a row of {path} for each image and back", str(unmatched), way_out)
    return f"labels: {unmatched}"


def label_path(settings: Ingest) -> str:
    """Find the label file: the one that was named, or the data set's own beside the images."""
    if settings.labels:
        return settings.labels
    return label_file(dataset_of(settings).labels, settings.images)


def _check_regex(pattern: str) -> None:
    received = f"ingest.patient_regex={pattern}"
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        way_out = r"Escape what is meant literally, as in \."
        expected = "a regular expression"
        raise ConfigError(expected, f"{received} ({error})", way_out) from None
    if pattern and groups < 1:
        way_out = "Put ( ) around the part that is the patient"
        raise ConfigError("a regular expression with a group", received, way_out)
