"""A network on Spark's workers, with the table of its vectors from earlier runs."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.networks import make_plan, used_by_workers
from spark_cxr.pipeline.reading import is_wanted
from spark_cxr.schemas import CONTENT, FEATURES, SHA256
from spark_cxr.settings import Features, Ingest

VECTORS = "sha256 string, features array<float>"
"""One row a content: what the cache keeps of a network."""


@dataclass(frozen=True)
class FeatureCache:
    """A network that is loaded and known to run, with the vectors of it that are known already."""

    plan: Plan
    used: Used
    address: str = ""
    """Of the table of known vectors; empty: none."""
    labels: tuple[str, ...] | None = None
    """Only films of these are wanted; empty: of any label; None: all films."""

    @property
    def key(self) -> str:
        """Name its features: vectors of one key can be mixed, of two keys not."""
        return self.plan.key(self.used)

    def mark(self, files: DataFrame, column: str) -> DataFrame:
        """Mark the files that the network has to run on: neither of another label nor known.

        The small table goes to the files, so that no image file is shuffled.
        """
        files = files.withColumn(column, is_wanted(self.labels))
        known = self.known(files.sparkSession)
        if known is None:
            return files
        keys = F.broadcast(known.select(SHA256, F.lit(True).alias("is_known")))
        files = files.withColumn(SHA256, F.sha2(CONTENT, 256)).join(keys, on=SHA256, how="left")
        is_new = F.col(column) & F.col("is_known").isNull()
        return files.withColumn(column, is_new).drop(SHA256, "is_known")

    def known(self, spark: SparkSession) -> DataFrame | None:
        """Read the cache; runs that filled it at the same time may have added a vector twice."""
        if not self.address:
            return None
        store, mark = locate(f"{self.address}/_SUCCESS")
        if not store.get_file_info(mark).is_file:  # nothing there, or the first run was cut off
            return None
        rows = spark.read.schema(VECTORS).parquet(self.address)
        return rows.groupBy(SHA256).agg(F.first(FEATURES).alias(FEATURES))


def open_features(
    spark: SparkSession,
    wanted: Features,
    labels: tuple[str, ...] | None = None,
    ingest: Ingest | None = None,
) -> FeatureCache:
    """Resolve and load the network that the settings ask for; fails early where it cannot run."""
    plan = make_plan(spark, wanted, ingest=ingest)
    used = used_by_workers(spark, plan)
    address = f"{absolute(wanted.cache)}/{plan.key(used)}" if wanted.cache else ""
    return FeatureCache(plan, used, address, labels)
