"""Who trains and who tests: by hash of the group, so neither order nor partitioning matters."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.schemas import GROUP, LABEL, SHA256

IS_TEST = "is_test"


def split(images: DataFrame, by: str, test_fraction: float, seed: int) -> DataFrame:
    """Add `is_test`, true for the given share of the groups of each label.

    `by` is `patient` (a group, its twins included, is on one side) or `image`. Of each label with
    two or more groups at least one trains and at least one tests. A group with several labels
    counts for the first of them in the alphabet.
    """
    key = F.col(GROUP) if by == "patient" else F.col(SHA256)
    rows = images.withColumn("_group", key)
    # The lot of a group comes from its films, not its name: pseudonyms change with their key. It is
    # the hash of a smallest digest, not a smallest hash, which would favour groups of many films.
    lot = F.xxhash64(F.lit(seed), F.min(SHA256))
    groups = rows.groupBy("_group").agg(F.min(LABEL).alias("_label"), lot.alias("_lot"))
    rank = F.row_number().over(Window.partitionBy("_label").orderBy("_lot", "_group"))
    size = F.count(F.lit(1)).over(Window.partitionBy("_label"))
    wanted = F.greatest(F.lit(1), F.round(size * test_fraction).cast("int"))
    tested = groups.select("_group", (rank <= F.least(wanted, size - 1)).alias(IS_TEST))
    return rows.join(tested, on="_group", how="inner").drop("_group")


def check_split(rows: DataFrame) -> None:
    """Refuse a split that leaves a side, or a label of a side, without images."""
    table = rows.groupBy(LABEL).agg(
        F.count_if(~F.col(IS_TEST)).alias("train"), F.count_if(F.col(IS_TEST)).alias("test")
    )
    counts = {row[LABEL]: (row.train, row.test) for row in table.collect()}
    if len(counts) < 2:
        received = ", ".join(counts) or "none"
        way_out = "Give a folder for each class, or --labels FILE.csv"
        raise InputError("at least two classes of images", received, way_out)
    bare = [label for label, (train, test) in sorted(counts.items()) if not (train and test)]
    if bare:
        received = f"too few patients of {', '.join(bare)}"
        way_out = "Add images, change --test-fraction, or leave the class out with --classes"
        raise InputError("each class on both sides of the split", received, way_out)
