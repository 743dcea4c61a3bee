"""Files → images and quarantine: every file that was seen is a row of one of the two tables."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.film import Limits
from spark_cxr.pipeline import labels as label_files
from spark_cxr.pipeline.reading import Reading
from spark_cxr.pipeline.sources import source_of
from spark_cxr.schemas import IMAGES, PATH, QUARANTINE, SEEN, columns
from spark_cxr.settings import Ingest

TOLD = {
    "label": "string",
    "day_offset": "int",
    "file_patient": "string",
    "file_view": "string",
    "file_source": "string",
}
"""What a label file or a folder name may say of an image, before the image has its word."""
NO_FILE = ("folder", "none")
"""What `labels` may be beside a file."""


def dataset_of(settings: Ingest) -> Dataset:
    """Put what the settings say about labels and patients over the data set's description."""
    known = datasets.get(settings.dataset) if settings.dataset else Dataset(name="")
    names = ("labels", "key_column", "label_column", "patient_column", "patient_regex", "unmatched")
    given: dict[str, Any] = {name: getattr(settings, name) for name in names}
    dataset = replace(known, **{name: value for name, value in given.items() if value})
    _check_regex(dataset.patient_regex)
    return dataset


def reading_of(settings: Ingest, key: bytes | None) -> Reading:
    """Gather what the workers have to know to read a file; without a key, no patient."""
    return Reading(limits_of(settings), key, dataset_of(settings).patient_regex)


def limits_of(settings: Ingest) -> Limits:
    """Say what a film may cost."""
    return Limits(max_pixels=settings.max_pixels, min_side=settings.min_side)


def unseen(listed: DataFrame, seen: DataFrame, max_bytes: int) -> DataFrame:
    """Find the listed files that were not handed over, and say why (`schemas.SEEN`)."""
    size = F.col("bytes")
    over = F.concat(size, F.lit(f" bytes, limit {max_bytes}"))
    why = F.when(size == 0, "empty").when(size > max_bytes, "too_large").otherwise("unreadable")
    known = {
        "path": F.col(PATH),
        "bytes": size,
        "modified": F.col("modified"),
        "sha256": F.when(size == 0, hashlib.sha256(b"").hexdigest()),
        "reason": why,
        "detail": F.when(size == 0, "0 bytes")
        .when(size > max_bytes, over)
        .otherwise("the file system gave an error or no file"),
    }
    missing = listed.join(seen.select(PATH), on=PATH, how="left_anti")
    kinds = dict(word.split() for word in SEEN.split(", "))
    return missing.select(
        *(known.get(name, F.lit(None)).cast(kinds[name]).alias(name) for name in columns(SEEN))
    )


def quarantine_of(seen: DataFrame) -> DataFrame:
    """Take the files that are no images to work with."""
    return seen.where(F.col("reason").isNotNull()).select(*columns(QUARANTINE))


def label_rows(spark: SparkSession, settings: Ingest, key: bytes | None = None) -> DataFrame | None:
    """Read the label file (`schemas.LABELS`); None where labels come from folders or nowhere."""
    dataset = dataset_of(settings)
    if dataset.labels in NO_FILE:
        return None
    return label_files.read_labels(spark, label_path(settings), dataset, key)


def told_of(seen: DataFrame, rows: DataFrame | None, settings: Ingest) -> DataFrame:
    """Gather what a label file or the folder names say of the files: path, key, and `TOLD`.

    `rows` are those of `label_rows`.
    """
    if rows is None:
        dataset = dataset_of(settings)
        by_folder = dataset.labels == "folder"
        told = {"label": label_files.label_from_path(dataset)} if by_folder else {}
        return seen.select(
            PATH,
            *(told.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in TOLD.items()),
        )
    matched = label_files.match(seen, rows)
    renamed = {"patient_id": "file_patient", "view": "file_view", "source": "file_source"}
    return matched.withColumnsRenamed(renamed).select(PATH, "key", *TOLD)


def check_told(seen: DataFrame, told: DataFrame, rows: DataFrame | None, settings: Ingest) -> str:
    """Refuse a label file that does not fit the files; say what does not match where it may."""
    if rows is None:
        return ""
    path = label_path(settings)
    label_files.check_labels(rows, path)
    unmatched = label_files.find_unmatched(seen, rows, told)
    if not (unmatched.rows or unmatched.files):
        return ""
    if dataset_of(settings).unmatched == "error":
        way_out = "Mend the file, or add --unmatched keep"
        raise InputError(f"a row of {path} for each image and back", str(unmatched), way_out)
    return f"labels: {unmatched}"


def images_of(seen: DataFrame, told: DataFrame, settings: Ingest) -> DataFrame:
    """Take the images, and give each its label, source, patient and group (`schemas.IMAGES`).

    The folder is the source only where the label file names none at all: else a film on which the
    file is silent would look like one of yet another hospital.
    """
    good = seen.where(F.col("reason").isNull()).join(told, on=PATH, how="left")
    folder_source = source_of(settings.images, dataset_of(settings).name)
    source = F.col("file_source")
    if not told.where(source.isNotNull()).limit(1).count():
        source = folder_source
    patient = F.coalesce(F.col("file_patient"), F.col("patient_id"))
    return good.withColumns(
        {
            "source": source,
            "patient_id": patient,
            "group_id": F.coalesce(patient, F.col("pixels_sha256")),
            "view": F.coalesce(F.col("file_view"), F.col("view")),
        }
    ).select(*columns(IMAGES))


def label_path(settings: Ingest) -> str:
    """Find the label file: the one that was named, or the data set's own beside the images."""
    if settings.labels:
        return settings.labels
    return label_files.label_file(dataset_of(settings).labels, settings.images)


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
