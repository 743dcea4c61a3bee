"""Where labels, patients and views of images come from: folder names or a label file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.finding_names import FindingNames
from spark_cxr.pipeline.finding_policy import policy_of
from spark_cxr.pipeline.label_match import check_labels, check_one_label, find_unmatched, match
from spark_cxr.pipeline.label_matrix import NAMES, names_said, of_names, with_label
from spark_cxr.pipeline.label_table import label_from_path, read_labels
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Ingest

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
NO_FILE = ("folder", "none")
"""What `labels` may be beside a file."""


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


def dataset_of(settings: Ingest) -> Dataset:
    """Put what the settings say about labels and patients over the data set's description."""
    known = datasets.get(settings.dataset) if settings.dataset else Dataset(name="")
    if settings.dataset and settings.labels not in ("", *NO_FILE):
        own = [getattr(known, each.name) for each in fields(known) if each.name.endswith("_column")]
        known = replace(known, optional_columns=tuple(filter(None, own)))
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
    policy = policy_of(settings, dataset, FindingNames(dict(dataset.synonyms)))
    return read_labels(spark, label_path(settings), dataset, key, policy)


def labels_of_files(files: DataFrame, rows: DataFrame | None, settings: Ingest) -> DataFrame:
    """Gather what a label file or the folder names say of the files: path, key, and `FROM_LABELS`.

    `rows` are those of `label_rows`.
    """
    if rows is None:
        return _of_folders(files, settings)
    matched = match(files, rows)
    renamed = {"patient_id": "file_patient", "view": "file_view", "source": "file_source"}
    return matched.withColumnsRenamed(renamed).select(PATH, "key", *FROM_LABELS)


def _of_folders(files: DataFrame, settings: Ingest) -> DataFrame:
    """Take the label off the folders, or none at all where nothing is to say it."""
    dataset = dataset_of(settings)
    known = {LABEL: label_from_path(dataset)} if dataset.labels == "folder" else {}
    found = files.select(PATH).withColumns(
        {name: known.get(name, F.lit(None)).cast(kind) for name, kind in FROM_LABELS.items()}
    )
    policy = policy_of(settings, dataset, FindingNames(dict(dataset.synonyms)))
    if policy is None or not known:
        return found
    named = found.withColumn(NAMES, names_said(F.col(LABEL)))
    return with_label(of_names(named, policy)).select(PATH, *FROM_LABELS)


def check_match(
    files: DataFrame, matched: DataFrame, rows: DataFrame | None, settings: Ingest
) -> str:
    """Refuse a label file that does not fit the files; say what does not match where it may."""
    if rows is None:
        return ""
    path = label_path(settings)
    check_labels(rows, path)
    if not settings.findings:
        check_one_label(rows, path)
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
