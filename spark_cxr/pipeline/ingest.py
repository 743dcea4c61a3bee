"""The steps that jobs share: each reads, lets the workers compute, and writes its tables."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.output import Output, pseudonym_key
from spark_cxr.pipeline import film_tables as ingest
from spark_cxr.pipeline.classes import choose_classes
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.near_duplicates import find_twins, regroup
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.pseudonyms import KEY_VARIABLE
from spark_cxr.pipeline.reading import WANTED, Copies, is_copied, look
from spark_cxr.pipeline.sources import Listing, list_files, read_files
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import IMAGES, LABEL, PATH, QUARANTINE, SEEN, TWINS, columns
from spark_cxr.settings import Ingest

LOG = logging.getLogger(__name__)


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
    reasons: tuple[tuple[str, int], ...]
    """Reason and number of files, the commonest first."""
    twins: str
    """Address of the table of films that are one (`schemas.TWINS`)."""

    @property
    def quarantined(self) -> int:
        """Count the files that were set aside."""
        return sum(count for _, count in self.reasons)


def ingest_step(spark: SparkSession, settings: Ingest, output: Output) -> IngestResult:
    """Look at every file, write `images/` and `quarantine/`, and account for each."""
    with looked_at(spark, settings, output) as (ingested, _):
        return ingested


@contextmanager
def looked_at(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    caches: Sequence[FeatureCache] = (),
    copies: Copies | None = None,
) -> Iterator[tuple[IngestResult, DataFrame]]:
    """Ingest, and until the block ends give what was seen of each file (`schemas.LOOKED`).

    All of it comes from one pass over the files: each film is decoded once, shown to the networks
    of `caches` that want it, and kept as `copies` says. What that pass found waits in a table of
    its own: not in memory, because it has the vectors too.
    """
    dataset = ingest.dataset_of(settings)
    listing = list_files(spark, settings.images, dataset.leave_out)
    key = pseudonym_key(output, os.environ.get(KEY_VARIABLE))
    with staged(output) as keep:
        labels = ingest.label_rows(spark, settings, key)
        labels = labels if labels is None else keep(labels)  # read once, pseudonyms made once
        told = keep(ingest.told_of(listing.files, labels, settings))
        if remark := ingest.check_told(listing.files, told, labels, settings):
            LOG.warning(remark)
        files = read_files(spark, settings.images, settings.max_bytes, dataset.leave_out)
        files = wanted_by(caches, copies, files, told)
        plans = [cache.plan for cache in caches]
        rows = look(files, ingest.reading_of(settings, key), plans, copies)
        with progress(spark, "featurizing" if plans else "looking at files", listing.count):
            seen = keep(rows)
        yield _ingested(spark, settings, output, listing, seen, told), seen


def wanted_by(
    caches: Sequence[FeatureCache], copies: Copies | None, files: DataFrame, labels: DataFrame
) -> DataFrame:
    """Mark in the column `wanted` which network has to see a file, and whether a copy is kept.

    The small table of labels (path, label) goes to the files, so that no image file is shuffled.
    """
    for names in {cache.labels for cache in caches if cache.labels is not None}:
        choose_classes(labels, names)  # too few classes: say so before the work
    if copies or any(cache.labels is not None for cache in caches):
        files = files.join(F.broadcast(labels.select(PATH, LABEL)), on=PATH, how="left")
    else:
        files = files.withColumn(LABEL, F.lit(None).cast("string"))
    marks = [f"{WANTED}_{number}" for number in range(len(caches))]
    for cache, mark in zip(caches, marks, strict=True):
        files = cache.mark(files, mark)
    last = [is_copied(copies, labels)] if copies else []
    return files.withColumn(WANTED, F.array(*marks, *last))


def _ingested(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    listing: Listing,
    seen: DataFrame,
    told: DataFrame,
) -> IngestResult:
    """Part what was seen into images and quarantine, and see that no file is missing."""
    if seen.count() != listing.count:
        lost = ingest.unseen(listing.files, seen, settings.max_bytes)
        seen = seen.select(*columns(SEEN)).unionByName(lost)
    output.write_table(ingest.quarantine_of(seen), "quarantine")
    reasons = _reasons(spark, output)
    _check_bad(reasons, listing.count, settings.max_bad, output.table("quarantine"))
    with staged(output) as keep:
        films = keep(ingest.images_of(seen, told, settings))
        output.write_table(find_twins(films, settings.likeness, keep), "twins")
        twins = spark.read.schema(TWINS).parquet(output.table("twins"))
        output.write_table(regroup(films, twins), "images")
    done = account_of(spark, output, listing.count)
    _check_account(done)
    return done


def account_of(spark: SparkSession, output: Output, files: int = 0) -> IngestResult:
    """Count what ingesting has left in a directory, just now or in an earlier run."""
    images = spark.read.schema(IMAGES).parquet(output.table("images"))
    people, reasons = _people(images), _reasons(spark, output)
    return IngestResult(
        images,
        files or people[0] + sum(n for _, n in reasons),
        *people,
        reasons,
        output.table("twins"),
    )


def _people(images: DataFrame) -> tuple[int, int, int]:
    """Count images, patients, and images without one."""
    known = F.col("patient_id")
    counts = images.agg(F.count(F.lit(1)), F.count_distinct(known), F.count_if(known.isNull()))
    n_images, patients, without = counts.collect()[0]
    return n_images, patients, without


def _reasons(spark: SparkSession, output: Output) -> tuple[tuple[str, int], ...]:
    quarantine = spark.read.schema(QUARANTINE).parquet(output.table("quarantine"))
    counted = quarantine.groupBy("reason").count().orderBy(F.desc("count"), "reason").collect()
    return tuple((row["reason"], row["count"]) for row in counted)


def _check_bad(
    reasons: tuple[tuple[str, int], ...], total: int, max_bad: float, table: str
) -> None:
    bad = sum(count for _, count in reasons)
    received = f"{bad:,} of {total:,} bad: {', '.join(f'{n:,} {reason}' for reason, n in reasons)}"
    if bad == total:
        raise InputError("at least one image that decodes", received, f"See {table}")
    if bad > max_bad * total:
        expected = f"at most {max_bad:.1%} bad files (--max-bad)"
        raise InputError(expected, received, f"See {table}")


def _check_account(done: IngestResult) -> None:
    if done.n_images + done.quarantined != done.files:
        received = f"{done.files:,} files, {done.n_images:,} images, {done.quarantined:,} set aside"
        way_out = "Run again when no one writes to the folders"
        raise InputError("folders that stay as they are while they are read", received, way_out)
