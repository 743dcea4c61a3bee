"""Duplicate films: within a source, across sources, across a split, with two labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.checks import FAIL, NOT_APPLICABLE, PASS, WARN, Check, CheckTable, Pair, Side
from spark_cxr.metrics.wording import counted
from spark_cxr.pipeline.near_duplicates import conflicts
from spark_cxr.pipeline.splits import SPLIT
from spark_cxr.schemas import LABEL, PATH, SHA256, SOURCE

KINDS = {
    "bytes": "the same file",
    "pixels": "the same pixels in another file",
    "looks": "the same picture, saved anew or cropped, or one of the same patient a moment later",
    "inverted": "one the negative of the other",
    "mirrored": "one the mirror image of the other",
    "mirrored_inverted": "one the mirrored negative of the other",
}
"""How two files can show one film, as a page says it."""


@dataclass(frozen=True)
class NearDuplicateTables:
    """What the checks of twins need; all tables come from the same films."""

    images: DataFrame
    """`schemas.IMAGES`, with `split`."""
    twins: DataFrame
    clusters: DataFrame
    examples: int


@dataclass(frozen=True)
class Crossings:
    """Clusters of twins, and those whose films differ in something."""

    clusters: int
    films: int
    sources: int
    labels: int
    films_of_labels: int
    splits: int
    films_of_splits: int
    has_split: bool


def check_twins(known: NearDuplicateTables) -> tuple[Check, ...]:
    """Look for duplicates, for labels that contradict each other, and for leaks of the split."""
    found = _count(known)
    return (_duplicates(known, found), _contradictions(known, found), _leaks(known, found))


def _count(known: NearDuplicateTables) -> Crossings:
    members = known.images.join(known.clusters, on=SHA256, how="inner")
    each = members.groupBy("cluster_id").agg(
        F.count(F.lit(1)).alias("films"),
        *(F.count_distinct(name).alias(name) for name in (SOURCE, LABEL, SPLIT)),
    )
    films, labels, splits = F.col("films"), F.col(LABEL) > 1, F.col(SPLIT) > 1
    totals = {
        "clusters": F.count(F.lit(1)),
        "films": F.sum(films),
        "sources": F.count_if(F.col(SOURCE) > 1),
        "labels": F.count_if(labels),
        "films_of_labels": F.sum(F.when(labels, films)),
        "splits": F.count_if(splits),
        "films_of_splits": F.sum(F.when(splits, films)),
    }
    row = each.agg(*(total.alias(name) for name, total in totals.items())).collect()[0]
    counts = {name: row[name] or 0 for name in totals}
    sides = known.images.select(SPLIT).where(F.col(SPLIT).isNotNull()).distinct().limit(2).count()
    return Crossings(**counts, has_split=sides > 1)


def _duplicates(known: NearDuplicateTables, found: Crossings) -> Check:
    title = "Duplicate films"
    kinds = {r["kind"]: r["count"] for r in known.twins.groupBy("kind").count().collect()}
    surplus = found.films - found.clusters
    numbers = (
        ("films_with_a_twin", found.films),
        ("clusters", found.clusters),
        ("surplus_films", surplus),
        ("clusters_across_sources", found.sources),
        *((f"pairs_{kind}", kinds.get(kind, 0)) for kind in KINDS),
    )
    if not found.clusters:
        return Check("duplicates", title, PASS, "No film occurs twice.", numbers, brief="none")
    sentence = (
        f"{counted(found.films, 'file')} show {counted(found.clusters, 'film')}: "
        f"{surplus:,} too many, and {counted(found.sources, 'cluster')} of copies "
        f"{'spans' if found.sources == 1 else 'span'} several sources. A copy in training "
        "whose twin is in the test makes a figure too good; spark_cxr keeps the twins that it "
        "finds on one side of a split, but other programs may not."
    )
    rows = tuple((KINDS[kind], f"{kinds[kind]:,}") for kind in KINDS if kind in kinds)
    grid = CheckTable("How copies were recognised", ("Kind", "Pairs"), rows)
    crossing = _crossing(known, SOURCE) if found.sources else known.twins
    pairs = examples(known, crossing)
    brief = f"{surplus:,} too many"
    return Check("duplicates", title, WARN, sentence, numbers, grid, pairs, brief)


def _contradictions(known: NearDuplicateTables, found: Crossings) -> Check:
    title = "Copies of one film with different labels"
    numbers = (("clusters", found.labels), ("films", found.films_of_labels))
    if not found.labels:
        said = "No film carries two labels."
        return Check("label_conflicts", title, PASS, said, numbers, brief="none")
    sentence = (
        f"{counted(found.labels, 'film')} {'carries' if found.labels == 1 else 'carry'} one label "
        f"here and another there ({found.films_of_labels:,} files): at least one label of each is "
        "wrong, and no classifier can be right on both. Look at them, and correct or leave out "
        "what is wrong; or say with --same-labels that two labels mean the same."
    )
    rows = tuple((" / ".join(labels), f"{count:,}") for labels, count in _disputed(known))
    grid = CheckTable("Which labels contradict each other", ("Labels", "Films"), rows)
    pairs = examples(known, _crossing(known, LABEL))
    brief = counted(found.labels, "film")
    return Check("label_conflicts", title, FAIL, sentence, numbers, grid, pairs, brief)


def _disputed(known: NearDuplicateTables) -> Iterator[tuple[list[str], int]]:
    members = known.images.join(known.clusters, on=SHA256, how="inner")
    sets = members.groupBy("cluster_id").agg(
        F.array_sort(F.collect_set(LABEL)).alias("labels"), F.count_distinct(LABEL).alias("n")
    )
    counts = sets.where(F.col("n") > 1).groupBy("labels").count()
    for row in counts.orderBy(F.desc("count"), "labels").limit(20).collect():
        yield row["labels"], row["count"]


def _leaks(known: NearDuplicateTables, found: Crossings) -> Check:
    title = "Copies on both sides of the publisher's split"
    numbers = (("clusters", found.splits), ("films", found.films_of_splits))
    if not found.has_split:
        said = "No split is given with these films."
        return Check("split_twins", title, NOT_APPLICABLE, said)
    if not found.splits:
        said = "No copy crosses the split."
        return Check("split_twins", title, PASS, said, numbers, brief="none")
    sentence = (
        f"{counted(found.splits, 'film')} {'has' if found.splits == 1 else 'have'} copies on "
        f"several sides of the split that comes with the data ({found.films_of_splits:,} files): a "
        "classifier is tested on films that it was trained on, so figures on this split are too "
        "good. Split again, by patient and twin."
    )
    pairs = examples(known, _crossing(known, SPLIT))
    brief = counted(found.splits, "film")
    return Check("split_twins", title, FAIL, sentence, numbers, pairs=pairs, brief=brief)


def _crossing(known: NearDuplicateTables, column: str) -> DataFrame:
    """Pair films of a cluster that differ in a column, as if that were the label."""
    return conflicts(known.images.withColumn(LABEL, F.col(column)), known.clusters)


def examples(known: NearDuplicateTables, pairs: DataFrame) -> tuple[Pair, ...]:
    """Name a few pairs, by path, with what is known of both films."""
    ends = ["path_a", "path_b"]
    few = pairs.select(*ends).orderBy(*ends).limit(known.examples)
    one_way, other_way = (known.twins.select(*names, "kind") for names in (ends, ends[::-1]))
    kinds = one_way.unionByName(other_way.toDF(*ends, "kind"))
    shown = few.join(kinds, on=ends, how="left")
    for side in ("a", "b"):
        about = F.struct(PATH, LABEL, SOURCE, SPLIT).alias(side)
        films = known.images.select(F.col(PATH).alias(f"path_{side}"), about)
        shown = shown.join(films, on=f"path_{side}", how="inner")
    return tuple(
        Pair(row["kind"] or "", _side(row["a"]), _side(row["b"]))
        for row in shown.orderBy(*ends).collect()
    )


def _side(row: tuple[str, str | None, str | None, str | None]) -> Side:
    path, label, source, split = row
    where = f"{source or 'unknown'}, {split}" if split else source
    return Side(path, label, where)
