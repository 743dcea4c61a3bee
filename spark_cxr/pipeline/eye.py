"""The network that looks at films: which it is, and which films it has to see."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.images.film import Limits
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.classes import choose_classes
from spark_cxr.pipeline.look import WANTED
from spark_cxr.pipeline.networks import Ready, Wish, make_ready, used_by_workers
from spark_cxr.schemas import CONTENT, FEATURES, LABEL, PATH, SHA256
from spark_cxr.settings import Config

VECTORS = "sha256 string, features array<float>"
"""One row a content: what the cache keeps of a network."""


@dataclass(frozen=True)
class Eye:
    """A network that is loaded and known to run, with its cache and the labels it is wanted for."""

    ready: Ready
    used: Used
    cache: str = ""
    """Address of the table of known vectors; empty: none."""
    labels: tuple[str, ...] | None = None
    """Only films of these are looked at; empty: of any label; None: all films."""
    verb: str = "featurizing"

    def choose(self, files: DataFrame, told: DataFrame) -> DataFrame:
        """Mark the files that it has to see: neither of another label nor known.

        The small tables go to the files, so that no image file is shuffled.
        """
        if self.labels is not None:
            choose_classes(told, self.labels)  # too few classes: say so before the work
            files = files.join(F.broadcast(told.select(PATH, LABEL)), on=PATH, how="left")
        files = files.withColumn(WANTED, self.wants(F.col(LABEL)))
        known = self.known(files.sparkSession)
        if known is None:
            return files
        keys = F.broadcast(known.select(SHA256, F.lit(True).alias("is_known")))
        files = files.withColumn(SHA256, F.sha2(CONTENT, 256)).join(keys, on=SHA256, how="left")
        return files.withColumn(WANTED, F.col(WANTED) & F.col("is_known").isNull())

    def wants(self, label: Column) -> Column:
        """Say of a film's label whether the network has to see it."""
        if self.labels is None:
            return F.lit(True)
        wanted = label.isin(*self.labels) if self.labels else label.isNotNull()
        return F.coalesce(wanted, F.lit(False))

    @property
    def key(self) -> str:
        """Name its features: vectors of one key can be mixed, of two keys not."""
        return self.ready.key(self.used)

    def known(self, spark: SparkSession) -> DataFrame | None:
        """Read the cache; runs that filled it at the same time may have added a vector twice."""
        if not self.cache:
            return None
        store, mark = locate(f"{self.cache}/_SUCCESS")
        if not store.get_file_info(mark).is_file:  # nothing there, or the first run was cut off
            return None
        rows = spark.read.schema(VECTORS).parquet(self.cache)
        return rows.groupBy(SHA256).agg(F.first(FEATURES).alias(FEATURES))


def open_eye(spark: SparkSession, cfg: Config, labels: tuple[str, ...] | None = None) -> Eye:
    """Resolve and load the network that the settings ask for; fails early where it cannot run."""
    ready = make_ready(spark, wish_of(cfg))
    used = used_by_workers(spark, ready)
    cache = f"{absolute(cfg.features.cache)}/{ready.key(used)}" if cfg.features.cache else ""
    return Eye(ready, used, cache, labels)


def wish_of(cfg: Config) -> Wish:
    """Say which network the settings ask for."""
    asked = cfg.features
    return Wish(
        backbone=asked.backbone,
        weights=asked.weights,
        mirror=asked.mirror,
        normalising=asked.normalising,
        engine=asked.engine,
        precision=asked.precision,
        device=asked.device,
        batch_size=asked.batch_size,
        limits=Limits(max_pixels=cfg.ingest.max_pixels, min_side=cfg.ingest.min_side),
    )
