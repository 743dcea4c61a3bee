"""The one pass of a run over all its films: who reads them, what if it is cut off or fails."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr import __version__
from spark_cxr.images.film import Limits
from spark_cxr.output import Output, absolute, locate
from spark_cxr.pipeline.classes import choose_classes
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.labels import NO_FILE, dataset_of, label_path, sets_of
from spark_cxr.pipeline.parts import Parts
from spark_cxr.pipeline.pass_times import PassTimes
from spark_cxr.pipeline.progress import Watch
from spark_cxr.pipeline.readers import SPARK, WORKER, choose_reader, read_files
from spark_cxr.pipeline.reading import (
    COPIED,
    WANTED,
    Copies,
    Reading,
    copied_share,
    is_wanted,
    look,
)
from spark_cxr.pipeline.session import DEATH, SPARK_ERRORS
from spark_cxr.pipeline.sources import Listing
from spark_cxr.schemas import LABEL, LOOKED, PATH, columns
from spark_cxr.settings import Ingest

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilmRows:
    """What a run's pass has found."""

    table: DataFrame
    """`schemas.LOOKED`, and the columns of copies"""
    reader: str
    """Who has read the files: the workers or Spark."""
    times: PassTimes
    resumed: int
    """Files whose rows the same run had made before it was cut off."""


@dataclass(frozen=True)
class FilmRun:
    """What a run does with the files of a listing."""

    spark: SparkSession
    settings: Ingest
    listing: Listing
    reading: Reading
    marked: Callable[[DataFrame], DataFrame] = lambda files: files
    """Takes the files that are wanted, and marks what for (`wanted_by`)."""
    caches: Sequence[FeatureCache] = ()
    copies: Copies | None = None

    def rows(self, output: Output, watch: Watch) -> FilmRows:
        """Look at each file, once in all, however often the run was cut off.

        What a worker cannot open Spark tries; what Spark cannot read either has no row.
        """
        parts = Parts(output, f"{LOOKED}, {self.copies.ddl}" if self.copies else LOOKED)
        parts.begin(self._stamp())
        known = parts.known(self.spark)
        left = self.listing.without(known)
        if resumed := self.listing.count - left.count:
            LOG.info(f"goes on: {resumed:,} of {self.listing.count:,} files were looked at before")
        reader = choose_reader(self.spark, self.settings.read, left.found)
        most = self.settings.max_bytes
        expected = sum(file.can_be_read and file.bytes <= most for file in left.found)
        times = self._look_at(left, reader, parts, watch, expected) if expected else PassTimes()
        table = parts.rows(self.spark)
        if len(known) > resumed:  # files that have changed or gone since
            listed = self.listing.table(self.spark).select(PATH, "modified", "bytes")
            table = table.join(F.broadcast(listed), on=listed.columns, how="left_semi")
        return FilmRows(table.select(*columns(parts.ddl)), reader, times, resumed)

    def _look_at(
        self, left: Listing, reader: str, parts: Parts, watch: Watch, expected: int
    ) -> PassTimes:
        files = self._files(left, reader)
        times = self._add(left, files, reader, parts, watch)
        if reader == WORKER and times.films < expected:
            lost = self._lost(files, parts)
            if lost.count:
                LOG.warning(f"the workers could not open {lost.count:,} files: Spark tries them")
                times += self._add(lost, self._files(lost, SPARK), SPARK, parts, watch)
        return times

    def _files(self, listing: Listing, reader: str) -> DataFrame:
        settings, leave_out = self.settings, dataset_of(self.settings).leave_out
        most, images = settings.max_bytes, settings.images
        return self.marked(read_files(self.spark, images, most, leave_out, listing, reader))

    def _add(
        self, listing: Listing, files: DataFrame, reader: str, parts: Parts, watch: Watch
    ) -> PassTimes:
        """Look at files; if a worker dies of one, at the rest of them, each in a child process.

        The file that kills has a row then, and so have all others.
        """
        viewers = [cache.viewer(self.spark) for cache in self.caches]
        try:
            parts.add(look(files, self.reading, viewers, self.copies, watch))
        except SPARK_ERRORS as error:
            if not DEATH.search(str(error)):
                raise
            watch.forget()
            LOG.warning("a worker died while it read films: they are read in a child process")
            rest = self._files(listing.without(parts.known(self.spark)), reader)
            wary = replace(self.reading, is_wary=True)
            parts.add(look(rest, wary, viewers, self.copies, watch))
        return watch.times()

    def _lost(self, files: DataFrame, parts: Parts) -> Listing:
        found = parts.rows(self.spark).select(PATH)
        rest = files.join(found, on=PATH, how="left_anti").select(PATH)
        return self.listing.part({row[PATH] for row in rest.collect()})

    def _stamp(self) -> str:
        """Name all that rows depend on, besides the files and the columns that mark them."""
        key = hashlib.sha256(self.reading.key or b"").hexdigest()
        copies = self.copies and [
            *(self.copies.ddl, self.copies.labels, self.copies.most, self.copies.seed)
        ]
        stamp = {
            "version": __version__,
            "reading": asdict(replace(self.reading, key=None)),
            "key": key[:16],
            "labels": _digest_of_labels(self.settings),
            "networks": [(cache.key, cache.labels) for cache in self.caches],
            "copies": copies,
        }
        return json.dumps(stamp, sort_keys=True)


def _digest_of_labels(settings: Ingest) -> str:
    """Identify the label file, which decides who gets a vector; empty: there is none to read."""
    return " ".join(filter(None, map(_digest_of_one, sets_of(settings))))


def _digest_of_one(settings: Ingest) -> str:
    if dataset_of(settings).labels in NO_FILE:
        return ""
    with suppress(OSError, ValueError):
        store, path = locate(absolute(label_path(settings)))
        with store.open_input_stream(path, compression=None) as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    return ""


def wanted_by(
    caches: Sequence[FeatureCache], copies: Copies | None, files: DataFrame, labels: DataFrame
) -> DataFrame:
    """Mark in the column `wanted` which networks get a file, and in `copied` whether it is kept.

    The small table of labels (path, label) goes to the files, so that no image file is shuffled.
    """
    for names in {cache.labels for cache in caches if cache.labels is not None}:
        choose_classes(labels, names)  # too few classes: refuse them before the work
    if copies is None and all(cache.labels is None for cache in caches):
        return files
    files = files.join(F.broadcast(labels.select(PATH, LABEL)), on=PATH, how="left")
    files = files.withColumn(WANTED, F.array(*(is_wanted(cache.labels) for cache in caches)))
    return files.withColumn(COPIED, copied_share(copies, labels)) if copies else files


def reading_of(settings: Ingest, key: bytes | None) -> Reading:
    """Gather what the workers need to know to read a file; without a key, no patient."""
    return Reading(limits_of(settings), key, dataset_of(settings).patient_regex)


def limits_of(settings: Ingest) -> Limits:
    """Give the limits on what a film may cost."""
    return Limits(settings.max_pixels, settings.min_side, settings.max_seconds)
