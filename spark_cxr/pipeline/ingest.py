"""Files → the tables images and quarantine: each file is a row of one of them."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.images.demographics import ADULT
from spark_cxr.images.film import CHILD, DAMAGED
from spark_cxr.output import KEY_VARIABLE, Output, pseudonym_key
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.few_near_duplicates import FEW, find_few_twins
from spark_cxr.pipeline.film_run import FilmRun, reading_of, wanted_by
from spark_cxr.pipeline.folders import PassedOver
from spark_cxr.pipeline.labels import (
    check_match,
    dataset_of,
    label_rows,
    labels_of_files,
    sets_of,
    source_of_set,
)
from spark_cxr.pipeline.near_duplicates import find_twins, regroup
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import progress, stage
from spark_cxr.pipeline.pseudonyms import HEX_DIGITS
from spark_cxr.pipeline.reading import Copies
from spark_cxr.pipeline.session import expect_few
from spark_cxr.pipeline.sources import Listing, is_below, list_files, source_of
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import (
    AGE,
    DEVICE,
    IMAGES,
    MAKER,
    PATH,
    QUARANTINE,
    SEEN,
    SEX,
    SHA256,
    TWINS,
    columns,
)
from spark_cxr.settings import Ingest

LOG = logging.getLogger(__name__)
THEN = "then"
"""The digest that a film had when it was ingested."""
Reasons = tuple[tuple[str, int], ...]
"""Why files were set aside, and how many."""


@dataclass(frozen=True)
class IngestResult:
    """What ingesting left behind."""

    images: DataFrame
    files: int
    n_images: int
    patients: int
    """How many are known."""
    without_patient: int
    """Images of whom no patient is known: each counts as a patient of its own."""
    reasons: Reasons
    """Reason and number of files, the commonest first."""
    twins: str
    """Address of the table of films that are one (`schemas.TWINS`)."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """What lies in the folders and is no row."""
    damaged: int = 0
    """Images whose files contradict themselves in places."""
    reader: str = ""
    """Who has read the files: the workers or Spark."""
    resumed: int = 0
    """Files that the same run had looked at before it was cut off."""
    times: PassTimes = field(default_factory=PassTimes)
    has_films: bool = True
    """False: rows of a table of vectors stand for them, and nobody has looked at a film."""

    @property
    def quarantined(self) -> int:
        """Count the files that were set aside."""
        return sum(count for _, count in self.reasons)

    def counts(self) -> dict[str, Any]:
        """Give the figures for run.json and the line of JSON."""
        return {
            "files": self.files,
            "images": self.n_images,
            "quarantined": self.quarantined,
            "reasons": dict(self.reasons),
            "damaged": self.damaged,
            "passed_over": self.passed_over.to_json(),
            **self.pass_counts(),
        }

    def lines(self) -> Iterator[str]:
        """Give the lines for the console."""
        yield f"{self.files:,} files: {self.n_images:,} images, {self.quarantined:,} quarantined"
        yield from (f"  {count:>6,}  {reason}" for reason, count in self.reasons)
        if self.damaged:
            yield f"{self.damaged:,} of the images are damaged (column flags)"
        yield from self.times.lines

    def pass_counts(self) -> dict[str, Any]:
        """Give what is to be said of the pass itself, where there was one."""
        if not self.reader:
            return {}
        return {"read": self.reader, "resumed": self.resumed, "times": self.times.to_json()}


def ingest_step(spark: SparkSession, settings: Ingest, output: Output) -> IngestResult:
    """Decode every file, and write a row of each into `images/` or `quarantine/`."""
    with ingesting(spark, settings, output) as (ingested, _):
        return ingested


@contextmanager
def ingesting(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    caches: Sequence[FeatureCache] = (),
    copies: Copies | None = None,
) -> Iterator[tuple[IngestResult, DataFrame]]:
    """Ingest, and give a row for each file (`schemas.LOOKED`) until the block ends.

    All of it comes from one pass over the files: each film is decoded once, shown to the networks
    of `caches` that want it, and kept as `copies` says. The rows stay in a table of their own, not
    in memory, because they have the vectors too.
    """
    dataset = dataset_of(settings)
    key = pseudonym_key(output, os.environ.get(KEY_VARIABLE))
    stage("listing files")
    listing = list_files(spark, settings.images, dataset.leave_out)
    if listing.passed_over.counts:
        LOG.info(str(listing.passed_over))
    expect_few(spark, listing.count <= FEW)
    listed = listing.table(spark)
    with staged(output, listing.count <= FEW and not copies) as keep:
        label_file = label_rows(spark, settings, key)
        if label_file is not None:
            label_file = keep(label_file)  # read once, pseudonyms computed once
        labels = keep(labels_of_files(listed, label_file, settings))
        if remark := check_match(listed, labels, label_file, settings):
            LOG.warning(remark)
        run = FilmRun(
            *(spark, settings, listing, reading_of(settings, key)),
            marked=lambda files: wanted_by(caches, copies, files, labels),
            caches=caches,
            copies=copies,
        )
        title = "featurizing" if caches else "looking at files"
        with progress(spark, title, listing.count) as watch:
            found = run.rows(output, watch)
        done = _ingested(spark, settings, output, listing, found.table, labels)
        yield (
            replace(done, reader=found.reader, resumed=found.resumed, times=found.times),
            found.table,
        )


def _ingested(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    listing: Listing,
    found: DataFrame,
    labels: DataFrame,
) -> IngestResult:
    """Divide the files into images and quarantine, and check that none is missing."""
    stage("writing images and quarantine")
    if found.count() != listing.count:
        lost = unseen(listing.table(spark), found, settings.max_bytes)
        found = found.select(*columns(SEEN)).unionByName(lost)
    output.write_table(quarantine_of(found), "quarantine")
    reasons = _reasons(spark, output)
    _check_bad(reasons, listing.count, settings.max_bad, output.table("quarantine"))
    are_few = listing.count <= FEW
    with staged(output, are_few) as keep:
        stage("finding near-duplicates")
        films, least = keep(images_of(found, labels, settings)), settings.likeness
        twins = find_few_twins(films, least) if are_few else find_twins(films, least, keep)
        output.write_table(twins, "twins")
        twins = spark.read.schema(TWINS).parquet(output.table("twins"))
        output.write_table(regroup(films, twins), "images")
    done = account_of(spark, output, listing.count, reasons)
    done = replace(done, passed_over=listing.passed_over)
    if done.n_images + done.quarantined != done.files:
        received = f"{done.files:,} files, {done.n_images:,} images, {done.quarantined:,} set aside"
        way_out = "Run again when no one writes to the folders"
        raise InputError("folders that stay as they are while they are read", received, way_out)
    return done


def account_of(
    spark: SparkSession, output: Output, files: int = 0, reasons: Reasons | None = None
) -> IngestResult:
    """Count what ingesting has left in a directory, just now or in an earlier run."""
    images, known = spark.read.schema(IMAGES).parquet(output.table("images")), F.col("patient_id")
    reasons = _reasons(spark, output) if reasons is None else reasons
    counts = images.agg(
        F.count(F.lit(1)),
        F.count_distinct(known),
        F.count_if(known.isNull()),
        F.count_if(F.array_contains("flags", DAMAGED)),
    )
    n_images, patients, without, damaged = counts.collect()[0]
    return IngestResult(
        images,
        files or n_images + sum(n for _, n in reasons),
        n_images,
        patients,
        without,
        reasons,
        output.table("twins"),
        damaged=damaged,
    )


def _reasons(spark: SparkSession, output: Output) -> Reasons:
    quarantine = spark.read.schema(QUARANTINE).parquet(output.table("quarantine"))
    counted = quarantine.groupBy("reason").count().orderBy(F.desc("count"), "reason").collect()
    return tuple((row["reason"], row["count"]) for row in counted)


def _check_bad(reasons: Reasons, total: int, max_bad: float, table: str) -> None:
    bad = sum(count for _, count in reasons)
    received = f"{bad:,} of {total:,} bad: {', '.join(f'{n:,} {reason}' for reason, n in reasons)}"
    if bad == total:
        raise InputError("at least one image that decodes", received, f"See {table}")
    if bad > max_bad * total:
        expected = f"at most {max_bad:.1%} bad files (--max-bad)"
        raise InputError(expected, received, f"See {table}")


@contextmanager
def ingesting_again(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    caches: Sequence[FeatureCache] = (),
    copies: Copies | None = None,
    *,
    source: Output,
    lost: str = "quarantine",
) -> Iterator[tuple[IngestResult, DataFrame]]:
    """Do the same with films of an earlier run; those that changed go into the table `lost`."""
    ingested = account_of(spark, source)
    known = ingested.images.select(PATH, F.col(SHA256).alias(THEN))

    def marked(files: DataFrame) -> DataFrame:
        files = wanted_by(caches, copies, files, ingested.images)
        return files.join(F.broadcast(known.select(PATH)), on=PATH, how="left_semi")

    listing = list_files(spark, settings.images, dataset_of(settings).leave_out)
    reading = reading_of(settings, None)
    run = FilmRun(spark, settings, listing, reading, marked, caches, copies)
    title = "featurizing" if caches else "decoding films"
    with progress(spark, title, ingested.n_images) as watch:
        found = run.rows(output, watch)
    same = found.table.join(F.broadcast(known), on=PATH, how="inner")
    same = same.where(F.col(SHA256) == F.col(THEN)).drop(THEN)
    missing = known.join(same.select(PATH), on=PATH, how="left_anti")
    detail = F.lit("gone or changed since it was ingested")
    why = {"reason": F.lit("unreadable"), "detail": detail, SHA256: F.col(THEN)}
    output.write_table(missing.withColumns(why).select(*columns(QUARANTINE)), lost)
    missing = spark.read.schema(QUARANTINE).parquet(output.table(lost))
    kept = ingested.images.join(missing.select(PATH), on=PATH, how="left_anti")
    done = replace(
        ingested, images=kept, reader=found.reader, resumed=found.resumed, times=found.times
    )
    yield done, same


def unseen(listed: DataFrame, found: DataFrame, max_bytes: int) -> DataFrame:
    """Find the listed files that no row was made of, and say why (`schemas.SEEN`)."""
    size = F.col("bytes")
    over = F.concat(size, F.lit(f" bytes, limit {max_bytes}"))
    is_empty = (size == 0) & F.col("obstacle").isNull()
    why = F.when(is_empty, "empty").when(size > max_bytes, "too_large").otherwise("unreadable")
    known = {
        "path": F.col(PATH),
        "bytes": size,
        "modified": F.col("modified"),
        "sha256": F.when(is_empty, hashlib.sha256(b"").hexdigest()),
        "reason": why,
        "detail": F.when(is_empty, "0 bytes")
        .when(size > max_bytes, over)
        .otherwise(F.coalesce("obstacle", F.lit("the file system gave an error or no file"))),
    }
    missing = listed.join(found.select(PATH), on=PATH, how="left_anti")
    kinds = dict(word.split() for word in SEEN.split(", "))
    return missing.select(
        *(known.get(name, F.lit(None)).cast(kinds[name]).alias(name) for name in columns(SEEN))
    )


def source_of_films(one: Ingest) -> Column:
    """Name the data set of the films below its folder; null for all others."""
    return F.when(is_below(one.images[0]), F.lit(source_of_set(one)))


def of_source(patient: Column, source: Column) -> Column:
    """Keep patients of several data sets apart: patient 13 of one is not patient 13 of another."""
    digest = F.sha2(F.concat_ws(" ", source, patient), 256)
    return F.when(patient.isNotNull(), F.concat(F.lit("p"), F.substring(digest, 1, HEX_DIGITS)))


def quarantine_of(files: DataFrame) -> DataFrame:
    """Take the files that are no images to work with."""
    return files.where(F.col("reason").isNotNull()).select(*columns(QUARANTINE))


def images_of(files: DataFrame, labels: DataFrame, settings: Ingest) -> DataFrame:
    """Take the images, and give each its label, source, patient and group (`schemas.IMAGES`).

    What a label file says of a film counts before what the film's own file says: publishers correct
    the one, and nobody the other.
    The folder is the source only where the label file names none at all: else a film on which the
    file is silent would look like one of yet another hospital.
    """
    known = (AGE, SEX, MAKER, DEVICE)
    films = files.withColumnsRenamed({name: f"film_{name}" for name in known})
    good = films.where(F.col("reason").isNull()).join(labels, on=PATH, how="left")
    source = F.col("file_source")
    patient = F.coalesce(F.col("file_patient"), F.col("patient_id"))
    age = F.coalesce(F.col(AGE), F.col("film_age"))
    sets = sets_of(settings)
    if len(sets) > 1:
        source = F.coalesce(*(source_of_films(one) for one in sets))
        patient = of_source(patient, source)
    elif not labels.where(source.isNotNull()).limit(1).count():
        source = source_of(settings.images, dataset_of(settings).name)
    return good.withColumns(
        {
            "source": source,
            "patient_id": patient,
            "group_id": F.coalesce(patient, F.col("pixels_sha256")),
            "flags": _flags(age),
            "view": F.coalesce(F.col("file_view"), F.col("view")),
            **{name: F.coalesce(F.col(name), F.col(f"film_{name}")) for name in known},
        }
    ).select(*columns(IMAGES))


def _flags(age: Column) -> Column:
    """Flag a child by the age that counts, which may not be the one that the film's file says."""
    others = F.array_remove("flags", CHILD)
    is_child = F.coalesce(age < ADULT, F.lit(False))
    return F.when(is_child, F.array_append(others, F.lit(CHILD))).otherwise(others)
