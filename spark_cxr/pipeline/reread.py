"""Films that an earlier run has ingested, shown to networks or copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.output import Output
from spark_cxr.pipeline.feature_cache import FeatureCache
from spark_cxr.pipeline.film_tables import dataset_of, reading_of
from spark_cxr.pipeline.ingest import IngestResult, account_of, wanted_by
from spark_cxr.pipeline.progress import progress
from spark_cxr.pipeline.reading import Copies, look
from spark_cxr.pipeline.sources import read_files
from spark_cxr.pipeline.staging import staged
from spark_cxr.schemas import PATH, QUARANTINE, SHA256, columns
from spark_cxr.settings import Ingest

THEN = "then"
"""The digest that a film had when it was ingested."""


@contextmanager
def looked_at_again(
    spark: SparkSession,
    settings: Ingest,
    output: Output,
    caches: Sequence[FeatureCache] = (),
    copies: Copies | None = None,
    *,
    source: Output,
    lost: str = "quarantine",
) -> Iterator[tuple[IngestResult, DataFrame]]:
    """Do as `looked_at` with films that were ingested before; those that changed are set aside.

    They are listed in the table `lost` of the output.
    """
    ingested = account_of(spark, source)
    files = read_files(spark, settings.images, settings.max_bytes, dataset_of(settings).leave_out)
    files = wanted_by(caches, copies, files, ingested.images)
    known = ingested.images.select(PATH, F.col(SHA256).alias(THEN))
    files = files.join(F.broadcast(known.select(PATH)), on=PATH, how="left_semi")
    rows = look(files, reading_of(settings, None), [cache.plan for cache in caches], copies)
    with staged(output) as keep:
        with progress(spark, "featurizing" if caches else "decoding films", ingested.n_images):
            seen = keep(rows)
        same = seen.join(F.broadcast(known), on=PATH, how="inner")
        same = same.where(F.col(SHA256) == F.col(THEN)).drop(THEN)
        missing = known.join(same.select(PATH), on=PATH, how="left_anti")
        output.write_table(_lost(missing), lost)
        # Read again, because what is given here outlives the table that it was found in.
        missing = spark.read.schema(QUARANTINE).parquet(output.table(lost))
        kept = ingested.images.join(missing.select(PATH), on=PATH, how="left_anti")
        yield replace(ingested, images=kept), same


def _lost(films: DataFrame) -> DataFrame:
    """Word what became of films that were ingested and are not the same any more."""
    why = {"reason": F.lit("unreadable"), "detail": F.lit("gone or changed since it was ingested")}
    return films.withColumns(why).withColumnRenamed(THEN, SHA256).select(*columns(QUARANTINE))
