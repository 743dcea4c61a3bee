"""The tables of an ingest → what is seen of its films: counts of all, pictures of some.

The films that are shown are drawn by hash of their path, so many a class, and read once more: the
same ones whatever the partitions, and no more work for 200,000 films than for 2,000.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from spark_cxr.errors import REASONS
from spark_cxr.images.film import Film, Limits
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, opener
from spark_cxr.images.prepare import grey, resize, scaled
from spark_cxr.images.raster import encode_jpeg, encode_png
from spark_cxr.metrics.checks import Check
from spark_cxr.metrics.first_look import (
    NO_LABEL,
    CountTable,
    FilmOfPair,
    FirstLook,
    MeanFilm,
    NearPair,
    SampledClass,
    SetAside,
)
from spark_cxr.metrics.vector_map import VectorMap
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.film_run import limits_of
from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.pipeline.ingest import IngestResult
from spark_cxr.pipeline.readers import choose_reader, read_listed
from spark_cxr.pipeline.thumbnails import thumbnail
from spark_cxr.schemas import LABEL, PATH, SOURCE, TWINS
from spark_cxr.settings import Ingest

MONTAGE, PAIRS, EXAMPLES = 12, 12, 3
"""Films of a class that are shown, pairs of films that are one, files that are set aside."""
SIDE, SMALL, QUALITY = 96, 144, 80
MOST_CLASSES, OTHER_CLASSES = 24, "(all others)"
MOST_COLUMNS = 12
"""Of a table of counts: the commonest; the others are counted together."""
OTHERS = "others"
SAMPLE = (
    "path string, label string, source string, brightness double, contrast double, "
    "small binary, thumbnail binary"
)
SHOWN = "is_shown"
TOO_SMALL, OF_ANY_SIZE = "too_small", Limits(min_side=1)
"""The reason for which a file is set aside that can be drawn all the same."""


def first_look(
    spark: SparkSession,
    ingested: IngestResult,
    quarantine: DataFrame,
    settings: Ingest,
    films_a_class: int,
    checks: Sequence[Check] = (),
    maps: Sequence[VectorMap] = (),
) -> FirstLook:
    """Count all films, and look at some of each class."""
    images = _with_few_classes(ingested.images).persist()
    try:
        sample = _sample(spark, images, settings, films_a_class)
        classes = tuple(_classes(images, sample))
        twins = spark.read.schema(TWINS).parquet(ingested.twins)
        pairs, n_pairs, n_conflicts = _pairs(twins, ingested.images)
        per_patient = images.where(F.col("patient_id").isNotNull()).groupBy("patient_id").count()
        return FirstLook(
            name=", ".join(each.rstrip("/").rsplit("/", 1)[-1] for each in settings.images),
            files=ingested.files,
            images=ingested.n_images,
            patients=ingested.patients,
            without_patient=ingested.without_patient,
            most_of_patient=per_patient.agg(F.max("count")).first()[0] or 0,
            tables=tuple(_tables(images)),
            classes=classes,
            means=tuple(_means(sample)),
            sizes=tuple(_sizes(images)),
            missing=tuple(_missing(images)),
            pairs=pairs,
            n_pairs=n_pairs,
            n_conflicts=n_conflicts,
            maps=tuple(maps),
            quarantine=tuple(_set_aside(quarantine)),
            checks=tuple(checks),
            setup=tuple(_setup(settings, films_a_class, len(sample))),
            sampled=len(sample),
        )
    finally:
        images.unpersist()


def _with_few_classes(images: DataFrame) -> DataFrame:
    """Name what has no name, and count rare classes together: findings make hundreds of them."""
    label = F.coalesce(LABEL, F.lit(NO_LABEL))
    source = F.coalesce(SOURCE, F.lit("(no source)"))
    films = images.withColumns({LABEL: label, SOURCE: source})
    counts = films.groupBy(LABEL).count().orderBy(F.desc("count"), LABEL)
    common = [row[LABEL] for row in counts.limit(MOST_CLASSES + 1).collect()]
    if len(common) <= MOST_CLASSES:
        return films
    is_common = F.col(LABEL).isin(common[: MOST_CLASSES - 1])
    return films.withColumn(LABEL, F.when(is_common, F.col(LABEL)).otherwise(OTHER_CLASSES))


def _setup(settings: Ingest, films_a_class: int, sampled: int) -> Iterator[tuple[str, str]]:
    yield "Films", ", ".join(settings.images)
    yield "Labels", settings.labels or settings.dataset or "folders, or beside the films"
    yield "Counted", "all films"
    drawn = f"{sampled:,} films, up to {films_a_class:,} of each class, drawn by hash of their path"
    yield "Brightness, contrast, mean films and pictures", drawn


def _tables(images: DataFrame) -> Iterator[CountTable]:
    for by, name in ((SOURCE, "source"), ("view", "view"), ("format", "format"), ("bits", "bits")):
        known = F.coalesce(F.col(by).cast("string"), F.lit("unknown"))
        rows = images.groupBy(LABEL, known.alias("column")).count().collect()
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        total: dict[str, int] = defaultdict(int)
        for row in rows:
            counts[row[LABEL]][row["column"]] += row["count"]
            total[row["column"]] += row["count"]
        common = sorted(total, key=lambda each: (-total[each], each))
        shown, rest = common[:MOST_COLUMNS], common[MOST_COLUMNS:]
        columns = (*shown, *([OTHERS] if rest else []))
        yield CountTable(
            name,
            columns,
            tuple(
                (label, (*(own[c] for c in shown), *([sum(own[c] for c in rest)] if rest else [])))
                for label, own in sorted(counts.items())
            ),
        )


def _sizes(images: DataFrame) -> Iterator[tuple[str, str]]:
    sides = (F.least("width", "height"), F.greatest("width", "height"))
    of = [F.percentile_approx(side, [0.0, 0.5, 1.0]) for side in sides]
    same = F.count_distinct("width", "height")
    for row in images.groupBy(LABEL).agg(*of, same).orderBy(LABEL).collect():
        (least, middle, most), (_, longer, longest) = row[1], row[2]
        if row[3] == 1:
            yield row[0], f"all {middle} x {longer}"
        else:
            yield row[0], f"{middle} x {longer} (shorter side {least} to {most}, up to {longest})"


def _missing(images: DataFrame) -> Iterator[tuple[str, int]]:
    kinds = {"patient": "patient_id", "view": "view", "age": "age", "sex": "sex", "maker": "maker"}
    gaps = {name: F.count_if(F.col(column).isNull()) for name, column in kinds.items()}
    gaps = {"label": F.count_if(F.col(LABEL) == NO_LABEL), **gaps}
    row = images.agg(*(gap.alias(name) for name, gap in gaps.items())).first()
    yield from ((name, row[name]) for name in gaps)


def _sample(
    spark: SparkSession, images: DataFrame, settings: Ingest, films_a_class: int
) -> list[Any]:
    """Read some films of each class once more, small."""
    by_lot = Window.partitionBy(LABEL).orderBy(F.xxhash64(PATH), PATH)
    drawn = images.select(PATH, LABEL, SOURCE, "bytes", F.row_number().over(by_lot).alias("n"))
    drawn = drawn.where(F.col("n") <= films_a_class)
    rows = drawn.collect()
    files = [FoundFile(row[PATH], 0, row["bytes"]) for row in rows]
    facts = [(row[PATH], row[LABEL], row[SOURCE], row["n"] <= MONTAGE) for row in rows]
    known = spark.createDataFrame(
        facts, f"path string, label string, source string, {SHOWN} boolean"
    )
    read = read_listed(spark, files, choose_reader(spark, settings.read, files))
    table = read.join(F.broadcast(known), on=PATH, how="inner")
    limits = limits_of(settings)
    return over_films(table, lambda: _look_pass(limits), SAMPLE).collect()


def _look_pass(limits: Any) -> TablePass:
    def look(file: TableFile, _: Content, film: Film) -> FilmViews[dict[str, Any]]:
        levels = film.pixels if film.pixels.ndim == 2 else grey(film.pixels)
        shown = encode_jpeg(scaled(levels, SMALL), QUALITY) if file[SHOWN] else None
        return FilmViews(
            {
                **{name: file[name] for name in (PATH, LABEL, SOURCE)},
                "brightness": float(levels.mean()) / 255,
                "contrast": float(levels.std()) / 255,
                "small": resize(levels, (SIDE, SIDE)).tobytes(),
                "thumbnail": shown,
            }
        )

    return FilmPass(opener(look, lambda *_: None, limits), lambda row, _: row)


def _classes(images: DataFrame, sample: Sequence[Any]) -> Iterator[SampledClass]:
    totals = {row[LABEL]: row["count"] for row in images.groupBy(LABEL).count().collect()}
    for label in sorted(totals):
        own = sorted((row for row in sample if row[LABEL] == label), key=lambda row: row[PATH])
        yield SampledClass(
            label=label,
            films=totals[label],
            brightness=np.array([row["brightness"] for row in own]),
            contrast=np.array([row["contrast"] for row in own]),
            montage=tuple(bytes(row["thumbnail"]) for row in own if row["thumbnail"]),
        )


def _means(sample: Sequence[Any]) -> Iterator[MeanFilm]:
    cells: dict[tuple[str, str], list[NDArray[np.uint8]]] = defaultdict(list)
    for row in sample:
        small = np.frombuffer(row["small"], np.uint8).reshape(SIDE, SIDE)
        cells[row[LABEL], row[SOURCE]].append(small)
    for (label, source), films in sorted(cells.items()):
        mean = np.rint(np.mean(films, axis=0)).astype(np.uint8)
        yield MeanFilm(label, source, len(films), encode_png(mean))


def _pairs(twins: DataFrame, images: DataFrame) -> tuple[tuple[NearPair, ...], int, int]:
    """Show some pairs of films that are one, those with two labels first."""
    known = images.select(PATH, LABEL, SOURCE)
    rows = twins
    for side in "ab":
        one = known.withColumnsRenamed({name: f"{name}_{side}" for name in known.columns})
        rows = rows.join(one, on=f"path_{side}", how="inner")
    is_conflict = F.coalesce(F.col("label_a") != F.col("label_b"), F.lit(False))
    rows = rows.withColumn("is_conflict", is_conflict).persist()
    n, conflicts = rows.agg(F.count("*"), F.count_if("is_conflict")).first()
    lot = F.xxhash64("path_a", "path_b")
    first = rows.orderBy(F.desc("is_conflict"), lot, "path_a", "path_b").limit(PAIRS).collect()
    rows.unpersist()
    return tuple(map(_pair, first)), n, conflicts


def _pair(row: Any) -> NearPair:
    one, other = (
        FilmOfPair(
            name=row[f"path_{side}"].rsplit("/", 1)[-1],
            label=row[f"label_{side}"],
            source=row[f"source_{side}"],
            image=thumbnail(row[f"path_{side}"], SMALL),
        )
        for side in "ab"
    )
    return NearPair(row["kind"], row["likeness"], (one, other))


def _set_aside(quarantine: DataFrame) -> Iterator[SetAside]:
    by_lot = Window.partitionBy("reason").orderBy(PATH)
    rows = quarantine.withColumn("n", F.row_number().over(by_lot))
    first = rows.where(F.col("n") <= EXAMPLES).orderBy("reason", PATH).collect()
    counts = {row["reason"]: row["count"] for row in quarantine.groupBy("reason").count().collect()}
    for reason, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        own = [row for row in first if row["reason"] == reason]
        examples = tuple(
            (
                row[PATH].rsplit("/", 1)[-1],
                row["detail"] or "",
                thumbnail(row[PATH], limits=OF_ANY_SIZE) if reason == TOO_SMALL else b"",
            )
            for row in own
        )
        yield SetAside(f"{reason}: {REASONS.get(reason, '')}", count, examples)
