"""Patients: whether they are known, have several labels, or are on both sides of a split."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN, Check, CheckTable
from spark_cxr.metrics.wording import counted, percent
from spark_cxr.pipeline.splits import SPLIT
from spark_cxr.schemas import LABEL, PATIENT


@dataclass(frozen=True)
class PatientCounts:
    """Patients, counted."""

    films: int
    without: int
    """Films of which no patient is known."""
    sides: int
    """Of the publisher's split: train, val, test."""
    patients: int
    of_several_labels: int
    on_several_sides: int
    films_on_several_sides: int
    with_split: int
    """Patients of whom at least one film has a side."""


def check_patients(images: DataFrame) -> tuple[Check, ...]:
    """Check whether patients are known, have several labels, and stay on one side of a split."""
    found = _count(images)
    return (_known(found), _labels(images, found), _sides(found))


def _count(images: DataFrame) -> PatientCounts:
    known = images.where(F.col(PATIENT).isNotNull())
    each = known.groupBy(PATIENT).agg(
        F.count_distinct(LABEL).alias(LABEL),
        F.count_distinct(SPLIT).alias(SPLIT),
        F.count(SPLIT).alias("films"),
    )
    crossing = F.col(SPLIT) > 1
    counts = each.agg(
        F.count(F.lit(1)),
        F.count_if(F.col(LABEL) > 1),
        F.count_if(crossing),
        F.sum(F.when(crossing, F.col("films"))),
        F.count_if(F.col(SPLIT) > 0),
    ).collect()[0]
    films, without, sides = images.agg(
        F.count(F.lit(1)), F.count_if(F.col(PATIENT).isNull()), F.count_distinct(SPLIT)
    ).collect()[0]
    return PatientCounts(films, without, sides, *(value or 0 for value in counts))


def _known(found: PatientCounts) -> Check:
    title = "Whether patients are known"
    share = found.without / found.films if found.films else 0.0
    numbers = (("films", found.films), ("without_patient", found.without), ("share", share))
    if not found.without:
        said = f"Every film names its patient ({found.patients:,} of them)."
        return Check("patients_known", title, PASS, said, numbers, brief="all")
    said = (
        f"{found.without:,} of {counted(found.films, 'film')} ({percent(share)}) name no patient: "
        "each counts as a patient of its own, so films of one patient may be on both sides of any "
        "split, and figures may be too good by an unknown amount."
    )
    brief = f"{percent(share)} unknown"
    return Check("patients_known", title, WARN, said, numbers, brief=brief)


def _labels(images: DataFrame, found: PatientCounts) -> Check:
    name, title = "patients_in_classes", "Patients with several labels"
    if not found.patients:
        return Check(name, title, NOT_APPLICABLE, "No patient is known.")
    numbers = (("patients", found.patients), ("with_several_labels", found.of_several_labels))
    if not found.of_several_labels:
        said = f"Each of {counted(found.patients, 'patient')} has one label."
        return Check(name, title, PASS, said, numbers, brief="none")
    said = (
        f"{found.of_several_labels:,} of {counted(found.patients, 'patient')} have films of "
        "several labels. That can be true, as people fall ill and recover. But a split by film "
        "then tests on people who were in training under another label."
    )
    sets = (
        images.where(F.col(PATIENT).isNotNull())
        .groupBy(PATIENT)
        .agg(F.array_sort(F.collect_set(LABEL)).alias("labels"))
    )
    counts = sets.where(F.size("labels") > 1).groupBy("labels").count()
    top = counts.orderBy(F.desc("count"), "labels").limit(20).collect()
    rows = tuple((" and ".join(row["labels"]), f"{row['count']:,}") for row in top)
    grid = CheckTable("Labels of one patient", ("Labels", "Patients"), rows)
    brief = counted(found.of_several_labels, "patient")
    return Check(name, title, WARN, said, numbers, grid, brief=brief)


def _sides(found: PatientCounts) -> Check:
    name, title = "split_patients", "Patients on both sides of the publisher's split"
    if found.sides < 2 or not found.with_split:
        said = "No film with a known patient comes with a split."
        return Check(name, title, NOT_APPLICABLE, said)
    numbers = (
        ("patients", found.with_split),
        ("on_several_sides", found.on_several_sides),
        ("their_films", found.films_on_several_sides),
    )
    if not found.on_several_sides:
        said = "No known patient crosses the split."
        return Check(name, title, PASS, said, numbers, brief="none")
    said = (
        f"{found.on_several_sides:,} of {counted(found.with_split, 'patient')} are on several "
        f"sides of the split that comes with the data ({found.films_on_several_sides:,} films): a "
        "classifier can recognise the test patients, so figures on this split are too good. Split "
        "again, by patient."
    )
    brief = counted(found.on_several_sides, "patient")
    return Check(name, title, FAIL, said, numbers, brief=brief)
