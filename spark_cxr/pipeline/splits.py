"""Which films train and which test, by hash of the group: order and partitioning do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_cxr.datasets import Dataset
from spark_cxr.errors import InputError, few, nearest
from spark_cxr.pipeline.label_match import check_labels, match
from spark_cxr.pipeline.label_table import read_labels
from spark_cxr.pipeline.labels import NO_FILE, dataset_of, label_path
from spark_cxr.pipeline.official_split import official_split
from spark_cxr.pipeline.sources import is_below
from spark_cxr.schemas import GROUP, IMAGES, LABEL, PATH, SHA256, columns
from spark_cxr.settings import Ingest, Train

IS_TEST = "is_test"
FOLD = "fold"
COLUMN = "column:"
"""Begins a way to split that names a column, like column:source."""
VALUE = "split_value"
"""What that column says of a film (`with_values`)."""
SPLIT = "split"
"""Column of a split file, and of films as they were published, that says train, val or test."""
SIDES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validate", "validation", "dev"),
    "test": ("test", "testing"),
}
WORD, SIDE = "_word", "_side"
EXAMPLES = 3
KNOWN = ("source", "view", "patient_id", "format", "width", "height", "bits", "day_offset")
"""Columns of the table `images` that can split films; the others differ from film to film."""


def split(
    images: DataFrame, by: str, test_fraction: float, seed: int, crossing: str = "error"
) -> DataFrame:
    """Add `is_test`, true for the given share of the groups of each label.

    `by` is `patient` (a group, its twins included, is on one side), `image`, a CSV file that gives
    the side of each film, or a column whose values are in `VALUE`. If these values are train, val
    and test, they give the sides; otherwise films with the same value are on one side. Of each
    label with two or more groups at least one trains and at least one tests. A group with several
    labels counts for the alphabetically first. With `crossing` `drop`, training films whose group
    is tested are left out.
    """
    rows = (
        _sided(images, by) if _names_sides(images, by) else _dealt(images, by, test_fraction, seed)
    )
    return _without_crossing(rows) if crossing == "drop" and can_cross(by) else rows


def can_cross(by: str) -> bool:
    """Tell whether a way to split can put a patient on both sides though nobody has chosen that."""
    return by not in ("patient", "image")


def is_drawn(train: Train) -> bool:
    """Tell whether share and seed of the test mean anything, rather than a file or folder."""
    return not train.test_images and not train.split.lower().endswith(".csv")


def column_of(by: str) -> str:
    """Give the column that a way to split names; empty where it names none."""
    return by.removeprefix(COLUMN) if by.startswith(COLUMN) else ""


def _dealt(images: DataFrame, by: str, test_fraction: float, seed: int) -> DataFrame:
    ranked, size = _ranked(images, by, seed)
    wanted = F.greatest(F.lit(1), F.round(size * test_fraction).cast("int"))
    is_test = (F.col("_rank") <= F.least(wanted, size - 1)).alias(IS_TEST)
    tested = ranked.select("_group", is_test)
    rows = images.withColumn("_group", _key(by))
    return rows.join(tested, on="_group", how="inner").drop("_group")


def split_by_folder(images: DataFrame, tested: Sequence[str], crossing: str) -> DataFrame:
    """Add `is_test`, true for the films below the given folders: a set of their own."""
    is_test = reduce(Column.__or__, (is_below(folder) for folder in tested))
    rows = images.withColumn(IS_TEST, is_test)
    return _without_crossing(rows) if crossing == "drop" else rows


def folds(images: DataFrame, by: str, k: int, seed: int) -> DataFrame:
    """Add `fold`, from 0 to k - 1: the groups of each label are dealt out in turn."""
    ranked, size = _ranked(images, by, seed)
    scarce = ranked.where(size < k).select("_label").distinct().orderBy("_label")
    if too_few := [row["_label"] for row in scarce.limit(EXAMPLES).collect()]:
        expected = f"at least {k} patients or images of each label for {k} folds"
        raise InputError(expected, f"fewer of {few(too_few)}", "Ask for fewer folds")
    # Each label starts at another fold, so that the first does not get every remainder.
    start = F.pmod(F.xxhash64(F.lit(seed), "_label"), F.lit(k))
    fold = F.pmod(F.col("_rank") + start, F.lit(k)).cast("int").alias(FOLD)
    rows = images.withColumn("_group", _key(by))
    dealt = ranked.select("_group", fold)
    return rows.join(dealt, on="_group", how="inner").drop("_group")


def check_folds(rows: DataFrame) -> None:
    """Refuse folds that divide the films of a patient, or twins."""
    groups = rows.groupBy(GROUP).agg(F.count_distinct(FOLD).alias("folds"), F.min(PATH).alias(PATH))
    divided = groups.where(F.col("folds") > 1)
    if not (total := divided.count()):
        return
    first = divided.orderBy(PATH).limit(EXAMPLES).collect()
    received = f"{total:,} groups in several folds ({', '.join(_name(row[PATH]) for row in first)})"
    way_out = (
        "Add --crossing drop to leave out of each training who is tested, --crossing keep to go "
        "on, or --splits patient"
    )
    raise InputError("patients and twins in one fold", received, way_out)


def check_split(rows: DataFrame, may_cross: bool = True) -> dict[str, tuple[int, int]]:
    """Count the films of each label that train and that test.

    A split is refused if a label is missing on one side, or if a group is on both sides.
    """
    counts = count_sides(rows)
    if len(counts) < 2:
        received = few(tuple(counts)) or "none"
        way_out = "Give a folder for each class, or --labels FILE.csv"
        raise InputError("at least two classes of images", received, way_out)
    bare = [label for label, (train, test) in sorted(counts.items()) if not (train and test)]
    if bare:
        received = f"too few patients of {few(bare)}"
        way_out = "Add images, change --test-fraction, or leave the class out with --classes"
        raise InputError("each class on both sides of the split", received, way_out)
    if not may_cross:
        check_crossing(rows)
    return counts


def count_sides(rows: DataFrame) -> dict[str, tuple[int, int]]:
    """Count the films of each label that train and that test."""
    table = rows.groupBy(LABEL).agg(
        F.count_if(~F.col(IS_TEST)).alias("train"), F.count_if(F.col(IS_TEST)).alias("test")
    )
    return {row[LABEL]: (row.train, row.test) for row in table.collect()}


def check_crossing(rows: DataFrame) -> None:
    """Name the first groups with films on both sides, and count them all."""
    sides = rows.groupBy(GROUP).agg(
        F.count_if(F.col(IS_TEST)).alias("test"),
        F.min(F.when(F.col(IS_TEST), F.col(PATH))).alias("tested"),
        F.min(F.when(~F.col(IS_TEST), F.col(PATH))).alias("trained"),
    )
    crossing = sides.where(F.col("tested").isNotNull() & F.col("trained").isNotNull())
    total = crossing.agg(F.count(F.lit(1)).alias("groups"), F.sum("test").alias("films"))
    groups, films = total.collect()[0]
    if not groups:
        return
    first = crossing.orderBy("tested").limit(EXAMPLES).collect()
    named = "; ".join(f"{_name(r.tested)} is tested, {_name(r.trained)} trains" for r in first)
    received = f"{groups:,} groups on both sides, with {films:,} test images ({named})"
    way_out = (
        "Add --crossing drop to leave their training images out, --crossing keep to go on, or "
        "--split patient"
    )
    raise InputError("patients and twins on one side of the split", received, way_out)


def _name(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])


def _without_crossing(rows: DataFrame) -> DataFrame:
    tested = rows.where(F.col(IS_TEST)).select(GROUP).distinct()
    trained = rows.where(~F.col(IS_TEST)).join(tested, on=GROUP, how="left_anti")
    return rows.where(F.col(IS_TEST)).unionByName(trained)


def _names_sides(images: DataFrame, by: str) -> bool:
    """Tell whether a file or a column gives the sides, rather than what to keep together."""
    if not column_of(by):
        return by.lower().endswith(".csv")
    known = [word for words in SIDES.values() for word in words]
    other = images.where(~_word(VALUE).isin(*known))
    return not other.select(VALUE).limit(1).collect()


def named_validation(images: DataFrame, by: str) -> DataFrame | None:
    """Give the films that a split names for validation, if it names others for the test."""
    if not can_cross(by) or not _names_sides(images, by):
        return None
    films, sides = _sides_of(images, by)
    if not sides >= {"val", "test"}:
        return None
    named = films.where(F.col(SIDE) == "val").select(PATH)
    return images.join(named, on=PATH, how="left_semi")


def _sided(images: DataFrame, by: str) -> DataFrame:
    """Take the sides that a file or a column names; films without one are left out.

    Validation films are the test where there are no test films, and are left out otherwise.
    """
    films, sides = _sides_of(images, by)
    tested = "test" if "test" in sides else "val"
    sided = films.where(F.col(SIDE).isin("train", tested))
    is_test = (F.col(SIDE) == tested).alias(IS_TEST)
    return images.join(sided.select(PATH, is_test), on=PATH, how="inner")


def _sides_of(images: DataFrame, by: str) -> tuple[DataFrame, set[str]]:
    """Read the side of each film from a column, or from a file keyed by path, file name or stem.

    Also say which sides there are.
    """
    if column_of(by):
        films = images.select(PATH, _word(VALUE).alias(WORD))
    else:
        dataset = Dataset(name="", label_column=SPLIT)
        rows = read_labels(images.sparkSession, by, dataset).where(F.col(LABEL) != "")
        check_labels(rows, by)
        films = match(images, rows).select(PATH, _word(LABEL).alias(WORD))
    side = F.coalesce(*(F.when(F.col(WORD).isin(*w), F.lit(s)) for s, w in SIDES.items()))
    films = films.select(PATH, WORD, side.alias(SIDE))
    words = {row[WORD]: row[SIDE] for row in films.select(WORD, SIDE).distinct().collect()}
    if odd := sorted(word for word, known in words.items() if known is None):
        received = f"{by} with {few(odd, EXAMPLES)}"
        raise InputError(
            "train, val, test or nothing in a split file", received, "Correct the file"
        )
    return films, set(words.values())


def _word(column: str) -> Column:
    return F.lower(F.trim(column))


def _key(by: str) -> Column:
    """Name what stays together; with a CSV file that is the patient."""
    return F.col({"image": SHA256}.get(by, VALUE if column_of(by) else GROUP))


def _ranked(images: DataFrame, by: str, seed: int) -> tuple[DataFrame, Column]:
    """Give each group a pseudo-random number, and rank the groups of each label by it."""
    rows = images.withColumn("_group", _key(by))
    # The number comes from the films of a group, not its name: pseudonyms change with their key. It
    # is the hash of a smallest digest, not a smallest hash, which would favour large groups.
    lot = F.xxhash64(F.lit(seed), F.min(SHA256))
    groups = rows.groupBy("_group").agg(F.min(LABEL).alias("_label"), lot.alias("_lot"))
    rank = F.row_number().over(Window.partitionBy("_label").orderBy("_lot", "_group"))
    size = F.count(F.lit(1)).over(Window.partitionBy("_label"))
    ranked = groups.select("_group", "_label", rank.alias("_rank"), size.alias("_size"))
    return ranked, F.col("_size")


def with_values(rows: DataFrame, images: DataFrame, by: str, settings: Ingest) -> DataFrame:
    """Add the value of the column that `by` names, if it names one; films without are left out.

    Args:
        rows: The films to split.
        images: `schemas.IMAGES` of these films, and what a table of vectors says beside them.
        by: A way to split, like `patient` or `column:source`.
        settings: Say where the label file is.
    """
    name = column_of(by)
    if not name:
        return rows
    if name in KNOWN or name in {*images.columns} - {*columns(IMAGES)}:
        values = images.select(PATH, F.col(name).cast("string").alias(VALUE))
    else:
        values = _of_file(images, name, settings)
    values = values.where(F.col(VALUE).isNotNull() & (F.col(VALUE) != ""))
    return rows.join(values, on=PATH, how="inner")


def _of_file(images: DataFrame, name: str, settings: Ingest) -> DataFrame:
    """Read the label file as if the column were the label, so that films match by the same keys."""
    if name == SPLIT and (sides := official_split(images, settings)) is not None:
        return sides.select(PATH, F.col(SPLIT).alias(VALUE))
    dataset = dataset_of(settings)
    if dataset.labels in NO_FILE:
        way_out = nearest(name, KNOWN)
        raise InputError("a column of the films, or a label file that has it", name, way_out)
    wanted = replace(dataset, label_column=name, rules=(), patient_column="")
    path = label_path(settings)
    rows = read_labels(images.sparkSession, path, wanted)
    check_labels(rows.where(F.col(LABEL) != ""), path)
    return match(images, rows).select(PATH, F.trim(LABEL).alias(VALUE))
