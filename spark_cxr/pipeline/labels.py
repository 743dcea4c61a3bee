"""Where labels, patients and views of images come from: folder names or a label file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import datasets
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError, nearest
from spark_cxr.film_places import is_folder, named_folders
from spark_cxr.output import absolute
from spark_cxr.pipeline.finding_names import ALL, FindingNames
from spark_cxr.pipeline.finding_policy import policy_of
from spark_cxr.pipeline.label_file import found_file
from spark_cxr.pipeline.label_match import check_labels, check_one_label, find_unmatched, match
from spark_cxr.pipeline.label_matrix import NAMES, names_said, of_names
from spark_cxr.pipeline.label_table import label_from_path, read_labels
from spark_cxr.pipeline.sources import BESIDE, is_below
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
    "maker": "string",
    "device": "string",
}
"""What a label file or a folder name may say of an image, beside what the file itself says."""
NO_FILE = ("folder", "none")
"""What `labels` may be beside a file."""


def label_file(name: str, images: Sequence[str]) -> str:
    """Find the label file of a data set in or above one of the image folders."""
    tried = []
    for root in (absolute(image) for image in images if is_folder(image)):
        for folder in (root.rstrip("/"), root.rstrip("/").rsplit("/", 1)[0]):
            if found := found_file(folder, name):
                return found
            tried.append(folder)
    raise InputError(f"{name} in or above --images", ", ".join(tried), "Give --labels FILE.csv")


def sets_of(settings: Ingest) -> tuple[Ingest, ...]:
    """Take a run of several data sets apart: settings of each, as if it were alone."""
    named = named_folders(settings.dataset)
    if len(named) < 2:
        word = f"{named[0][0]}=" if named else ""
        labels = settings.labels.removeprefix(word) if word else settings.labels
        return (replace(settings, dataset=named[0][0] if named else "", labels=labels),)
    if lacking := [name for name, folder in named if not folder]:
        received, way_out = ", ".join(lacking), "Write --dataset NAME=FOLDER,NAME=FOLDER"
        raise ConfigError("a folder for each of several data sets", received, way_out)
    if len({_word(name) for name, _ in named}) < len(named):
        raise ConfigError("each data set once", settings.dataset, "Give it one folder")
    files = dict(named_folders(settings.labels)) if "=" in settings.labels else {}
    if settings.labels and not files and settings.labels not in NO_FILE:
        way_out = "Write --labels NAME=FILE,NAME=FILE"
        raise ConfigError("a label file for each data set", settings.labels, way_out)
    if odd := sorted({*files} - {name for name, _ in named}):
        names = [name for name, _ in named]
        raise ConfigError("--labels of a data set", odd[0], nearest(odd[0], names))
    plain = "" if files else settings.labels
    return tuple(
        replace(settings, dataset=name, images=(folder,), labels=files.get(name, plain))
        for name, folder in named
    )


def source_of_set(settings: Ingest) -> str:
    """Name a data set as the films' source."""
    return _word(settings.dataset)


def _word(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".toml")


def dataset_of(settings: Ingest) -> Dataset:
    """Put what the settings say about labels and patients over the data set's description.

    Of several data sets it says what holds for the run: which paths count, whose they are.
    """
    sets = sets_of(settings)
    if len(sets) == 1:
        return _dataset_of_one(sets[0])
    known = [(each.images[0], _dataset_of_one(each)) for each in sets]
    files = [each.labels for _, each in known if each.labels not in NO_FILE]
    return Dataset(
        name="",
        labels=files[0] if files else "folder",
        leave_out=_either((folder, each.leave_out) for folder, each in known),
        patient_regex=_either((folder, each.patient_regex) for folder, each in known),
        unmatched="keep" if all(each.unmatched == "keep" for _, each in known) else "error",
    )


def _either(patterns: Iterable[tuple[str, str]]) -> str:
    """Make one expression of those of several folders, each for the paths below its own."""
    below = [
        rf"^(?=.*{re.escape(absolute(folder).removeprefix('file:').rstrip('/'))}/).*?(?:{pattern})"
        for folder, pattern in patterns
        if pattern
    ]
    return "|".join(below)


def _dataset_of_one(settings: Ingest) -> Dataset:
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
    """Read the label files (`schemas.LABELS`); None where labels come from folders or nowhere.

    Rows of several data sets have the name of theirs as the source, and findings of one name.
    """
    sets, names = sets_of(settings), FindingNames()
    tables = []
    for one in sets:
        dataset = _dataset_of_one(one)
        if dataset.labels in NO_FILE:
            continue
        policy = policy_of(one, dataset, names.with_own(dict(dataset.synonyms)), len(sets) > 1)
        rows = read_labels(spark, label_path(one), dataset, key, policy)
        if len(sets) > 1:
            rows = rows.withColumn("source", F.lit(source_of_set(one)))
        tables.append(rows)
    if len(sets) > 1 and settings.findings:
        _check_wanted(settings, names, _has_folders(sets))
    return reduce(DataFrame.unionByName, tables) if tables else None


def _has_folders(sets: Sequence[Ingest]) -> bool:
    return any(_dataset_of_one(one).labels in NO_FILE for one in sets)


def _check_wanted(settings: Ingest, names: FindingNames, has_folders: bool) -> None:
    """Refuse a finding that none of several label files has; folders are read later."""
    for word in settings.findings:
        if word != ALL and names.of(word) not in names.found and not has_folders:
            way_out = nearest(names.of(word), sorted(names.found), 12)
            raise InputError("--findings of one of the label files", word, way_out)


def labels_of_files(files: DataFrame, rows: DataFrame | None, settings: Ingest) -> DataFrame:
    """Gather what a label file or the folder names say of the files: path, key, and `FROM_LABELS`.

    `rows` are those of `label_rows`.
    """
    sets = sets_of(settings)
    if len(sets) == 1:
        return _labels_of_one(files, rows, sets[0])
    found = [
        _labels_of_one(files.where(is_below(one.images[0])), _rows_of(rows, one), one, True)
        for one in sets
    ]
    return reduce(lambda a, b: a.unionByName(b, allowMissingColumns=True), found)


def _rows_of(rows: DataFrame | None, one: Ingest) -> DataFrame | None:
    """Take the rows of one of several data sets; None where it has no label file."""
    if rows is None or _dataset_of_one(one).labels in NO_FILE:
        return None
    return rows.where(F.col("source") == source_of_set(one))


def _labels_of_one(
    files: DataFrame, rows: DataFrame | None, settings: Ingest, may_lack: bool = False
) -> DataFrame:
    if rows is None:
        return _of_folders(files, settings, may_lack)
    matched = match(files, rows, _dataset_of_one(settings).key_of)
    renamed = {"patient_id": "file_patient", "view": "file_view", "source": "file_source"}
    return matched.withColumnsRenamed(renamed).select(PATH, "key", *FROM_LABELS)


def _of_folders(files: DataFrame, settings: Ingest, may_lack: bool) -> DataFrame:
    """Take the label off the folders, or none at all where nothing is to say it."""
    dataset = _dataset_of_one(settings)
    label = None
    if dataset.labels == "folder":
        # Only a listing knows what archives have beside their films; keys of vectors have nothing.
        beside = [F.col(BESIDE)] if BESIDE in files.columns else []
        label = F.coalesce(*beside, label_from_path(dataset))
    return labels_of_words(files, label, settings, may_lack)


def labels_of_words(
    files: DataFrame, label: Column | None, settings: Ingest, may_lack: bool = False
) -> DataFrame:
    """Take the label, or the findings, of files from words beside them; None: there are none."""
    known = {} if label is None else {LABEL: label}
    found = files.withColumns(
        {name: known.get(name, F.lit(None)).cast(kind) for name, kind in FROM_LABELS.items()}
    ).select(PATH, *FROM_LABELS)
    dataset = _dataset_of_one(settings)
    policy = policy_of(settings, dataset, FindingNames(dict(dataset.synonyms)), may_lack)
    if policy is None or label is None:
        return found
    named = found.withColumn(NAMES, names_said(F.col(LABEL)))
    return of_names(named, policy).select(PATH, *FROM_LABELS)


def check_match(
    files: DataFrame, matched: DataFrame, rows: DataFrame | None, settings: Ingest
) -> str:
    """Refuse label files that do not fit the files; say what does not match where it may."""
    sets = sets_of(settings)
    if len(sets) == 1:
        return _check_one(files, matched, rows, sets[0])
    remarks = []
    for one in sets:
        is_its = is_below(one.images[0])
        own = _rows_of(rows, one)
        remark = _check_one(files.where(is_its), matched.where(is_its), own, one)
        remarks += [f"{source_of_set(one)}: {remark}"] if remark else []
    return "; ".join(remarks)


def _check_one(
    files: DataFrame, matched: DataFrame, rows: DataFrame | None, settings: Ingest
) -> str:
    if rows is None:
        return ""
    path = label_path(settings)
    check_labels(rows, path)
    if not settings.findings:
        check_one_label(rows, path)
    unmatched = find_unmatched(files, rows, matched)
    if not (unmatched.rows or unmatched.files):
        return ""
    if _dataset_of_one(settings).unmatched == "error":
        way_out = "Correct the file, or add --unmatched keep"
        raise InputError(f"a row of {path} for each image and back", str(unmatched), way_out)
    return f"labels: {unmatched}"


def label_path(settings: Ingest) -> str:
    """Find the label file: the one that was named, or the data set's own beside the images."""
    sets = sets_of(settings)
    if len(sets) > 1:
        way_out = "Take a file of its own, or one data set"
        raise ConfigError("a label file of one data set", settings.dataset, way_out)
    if sets[0].labels:
        return sets[0].labels
    return label_file(_dataset_of_one(sets[0]).labels, sets[0].images)


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
