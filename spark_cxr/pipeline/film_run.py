"""The one pass of a run over all its films: who reads them, and what if a worker cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.images.film import Limits
from spark_cxr.pipeline.classes import choose_classes
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.labels import dataset_of
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
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import LABEL, PATH
from spark_cxr.settings import Ingest

LOG = logging.getLogger(__name__)


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

    def rows(self, keep: Keep) -> tuple[DataFrame, str]:
        """Give a row for each file (`schemas.LOOKED`), and say who has read them.

        What a worker cannot open Spark tries; what Spark cannot read either has no row.
        """
        reader = choose_reader(self.spark, self.settings.read, self.listing.found)
        files = self._files(self.listing, reader)
        found = self._rows_of(files, keep)
        if reader == WORKER and (lost := self._lost(files, found)).count:
            LOG.warning(f"the workers could not open {lost.count:,} of the files: Spark tries them")
            found = keep(found.unionByName(self._rows_of(self._files(lost, SPARK), keep)))
        return found, reader

    def _files(self, listing: Listing, reader: str) -> DataFrame:
        settings, leave_out = self.settings, dataset_of(self.settings).leave_out
        most, images = settings.max_bytes, settings.images
        return self.marked(read_files(self.spark, images, most, leave_out, listing, reader))

    def _rows_of(self, files: DataFrame, keep: Keep) -> DataFrame:
        """Look at files; if a worker dies of one, at all of them again, each in a child process.

        The file that kills has a row then, and so have all others.
        """
        viewers = [cache.viewer(self.spark) for cache in self.caches]
        try:
            return keep(look(files, self.reading, viewers, self.copies))
        except SPARK_ERRORS as error:
            if not DEATH.search(str(error)):
                raise
        LOG.warning("a worker died while it read films: each is read again, in a child process")
        return keep(look(files, replace(self.reading, is_wary=True), viewers, self.copies))

    def _lost(self, files: DataFrame, found: DataFrame) -> Listing:
        rest = files.join(found.select(PATH), on=PATH, how="left_anti").select(PATH)
        return self.listing.part({row[PATH] for row in rest.collect()})


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
