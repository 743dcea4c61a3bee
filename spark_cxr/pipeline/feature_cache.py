"""A network on Spark's workers, with the table of its vectors from earlier runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.networks import make_plan, used_by_workers
from spark_cxr.pipeline.reading import Digests, Viewer
from spark_cxr.schemas import FEATURES, SHA256
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

    def viewer(self, spark: SparkSession) -> Viewer:
        """Give the network for a pass, with the contents whose vectors are known."""
        known = self.known(spark)
        if known is None:
            return Viewer(self.plan)
        halves = known.select(F.unhex(F.substring(SHA256, 1, 32)).alias("half")).toPandas()["half"]
        return Viewer(self.plan, Digests(np.sort(halves.to_numpy().astype("S16"))))

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
