"""The steps that jobs share: each reads, lets the workers compute, and writes its tables."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.errors import InputError
from spark_cxr.images.phantoms import manifest_csv, manifest_row, phantoms
from spark_cxr.output import Output, pseudonym_key
from spark_cxr.pipeline import ingest
from spark_cxr.pipeline.dedup import find_twins, regroup
from spark_cxr.pipeline.eye import Eye
from spark_cxr.pipeline.files import Listing, list_files, read_files
from spark_cxr.pipeline.look import look
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.pseudonyms import KEY_VARIABLE
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import IMAGES, QUARANTINE, SEEN, TWINS, columns
from spark_cxr.settings import Config, Ingest, Phantoms

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingested:
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


def phantoms_step(settings: Phantoms, seed: int, output: Output) -> Counter[str]:
    """Draw phantoms into a folder per class, with `manifest.csv`; count what was drawn."""
    drawn = phantoms(
        settings.count,
        seed,
        settings.size,
        settings.formats,
        settings.bad,
        masks=settings.masks,
        marker=settings.marker,
    )
    rows, counts = [], Counter[str]()
    for phantom in drawn:
        output.write_bytes(phantom.name, phantom.data)
        if phantom.mask:
            output.write_bytes(phantom.mask_name, phantom.mask)
        rows.append(manifest_row(phantom))
        counts["bad" if phantom.expected_reason else phantom.label] += 1
    output.write_text("manifest.csv", manifest_csv(rows))
    return counts


def with_phantoms(cfg: Config, output: Output) -> Config:
    """Draw phantoms for a job that was given neither images nor an earlier run."""
    if cfg.ingest.images or cfg.features.table:
        return cfg
    folder = Output(output.table("phantoms"))
    phantoms_step(cfg.phantoms, cfg.run.seed, folder)
    manifest = folder.table("manifest.csv")
    drawn = replace(cfg.ingest, images=(folder.address,), labels=manifest, dataset="")
    return replace(cfg, ingest=drawn)


def ingest_step(spark: SparkSession, settings: Ingest, output: Output) -> Ingested:
    """Look at every file, write `images/` and `quarantine/`, and account for each."""
    with looked_at(spark, settings, output) as (ingested, _):
        return ingested


@contextmanager
def looked_at(
    spark: SparkSession, settings: Ingest, output: Output, eye: Eye | None = None
) -> Iterator[tuple[Ingested, DataFrame]]:
    """Ingest, and until the block ends give what was seen of each file (`schemas.LOOKED`).

    All of it comes from one pass over the files. What that pass found waits in a table of its own:
    not in memory, because it has the vectors too.
    """
    dataset = ingest.dataset_of(settings)
    listing = list_files(spark, settings.images, dataset.leave_out)
    key = pseudonym_key(output, os.environ.get(KEY_VARIABLE))
    with staged(output) as keep:
        told = keep(ingest.told_of(spark, listing.files, settings, key))
        if remark := ingest.check_told(spark, listing.files, told, settings, key):
            LOG.warning(remark)
        files = read_files(spark, settings.images, settings.max_bytes, dataset.leave_out)
        files = eye.choose(files, told) if eye else files
        rows = look(files, ingest.recipe_of(settings, key), eye.ready if eye else None)
        with progress(spark, eye.verb if eye else "looking at files", listing.count):
            seen = keep(rows)
        yield _ingested(spark, settings, output, listing, seen, told), seen


def _ingested(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    listing: Listing,
    seen: DataFrame,
    told: DataFrame,
) -> Ingested:
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


def account_of(spark: SparkSession, output: Output, files: int = 0) -> Ingested:
    """Count what ingesting has left in a directory, just now or in an earlier run."""
    images = spark.read.schema(IMAGES).parquet(output.table("images"))
    people, reasons = _people(images), _reasons(spark, output)
    return Ingested(
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


def _check_account(done: Ingested) -> None:
    if done.n_images + done.quarantined != done.files:
        received = f"{done.files:,} files, {done.n_images:,} images, {done.quarantined:,} set aside"
        way_out = "Run again when no one writes to the folders"
        raise InputError("folders that stay as they are while they are read", received, way_out)
