"""Rows of a label file and the files that they are of, matched by path, file name or stem."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.pipeline.text_columns import composed
from spark_cxr.schemas import LABEL, LABELS, PATH, columns

BAR = "|"
"""Stands between the findings of a film, in the files of publishers and in our labels."""
FOLDER, STEM = "folder", "stem"
"""What a key may name, if not a file."""
EXAMPLES = 3
WHOLE = 5
"""Letters of a file's name that an error shows as they are: names of files may be ids."""
CONTRARY = {"label": "label", "patient_id": "patient"}
"""Of what a label file may say one thing only about a file, and what people call it."""


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


def match(paths: DataFrame, labels: DataFrame, key_of: str = "") -> DataFrame:
    """Give each path the row of the label file whose key names it: by path, file name or stem.

    A key that says more of the path counts before one that says less. Keys may also name the
    folder of a film (`FOLDER`), or its path without the ending (`STEM`).
    """
    labelled = keys_of(paths, key_of).join(labels, on="key", how="inner")
    best = F.max_by(F.struct("key", *columns(LABELS)[1:]), F.col("depth"))
    return labelled.groupBy(PATH).agg(best.alias("row")).select(PATH, "row.*")


def keys_of(paths: DataFrame, key_of: str = "") -> DataFrame:
    """Give the keys that name each path: its stem, its file name, and more of it, by `depth`."""
    paths = paths.select(PATH, composed(F.col(PATH)).alias("name"))
    if key_of == STEM:
        paths = paths.withColumn("name", F.regexp_replace("name", r"\.[^./]+$", ""))
    name = F.substring_index(F.col("name"), "/", -1)
    keys = F.concat(F.array(F.regexp_replace(name, r"\.[^.]+$", "")), _ends(F.col("name")))
    if key_of == FOLDER:  # what is said of the film itself counts before that
        keys = F.concat(_ends(F.regexp_replace("name", "/[^/]*$", "")), keys)
    return paths.select(PATH, F.posexplode(keys).alias("depth", "key"))


def _ends(path: Column) -> Column:
    """Give the last part of a path, the last two, and so on."""
    parts = F.split(path, "/")
    return F.transform(
        F.sequence(F.lit(1), F.size(parts)),
        lambda depth: F.array_join(F.slice(parts, -depth, depth), "/"),
    )


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


def check_one_label(labels: DataFrame, path: str) -> None:
    """Refuse labels that are several findings in one cell, where a film is to have one label.

    One label with a bar may be a name; two are findings, and so is one whose parts are labels.
    """
    joined = F.contains(F.col(LABEL), F.lit(BAR))
    found = labels.where(joined).groupBy(LABEL).count().orderBy(F.desc("count"), LABEL).limit(2)
    first = found.collect()
    if not first:
        return
    parts = first[0][LABEL].split(BAR)
    if len(first) > 1 or labels.where(F.col(LABEL).isin(parts)).limit(1).count():
        received = f"{path}: {first[0]['count']:,} rows with {first[0][LABEL]}"
        way_out = "Add --findings for several findings a film"
        raise InputError("one label a film", received, way_out)


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
