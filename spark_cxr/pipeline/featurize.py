"""Images → feature vectors: what is known is taken from the cache, the rest goes to the network."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.images.film import Limits
from spark_cxr.output import Output, absolute, locate
from spark_cxr.pipeline.featurizer import vectorizer
from spark_cxr.pipeline.files import read_files
from spark_cxr.pipeline.networks import Ready, Wish, make_ready, used_by_workers
from spark_cxr.pipeline.progress import progress
from spark_cxr.schemas import CONTENT, FEATURE_ROWS, FEATURES, PATH, SHA256, columns
from spark_cxr.settings import Config

VECTORS = "sha256 string, features array<float>"
"""One row a content: what the cache keeps of a network."""


@dataclass(frozen=True)
class Featurized:
    """What the network left behind."""

    rows: DataFrame
    """`schemas.FEATURE_ROWS`"""
    n: int
    reused: int
    """Films whose vector was in the cache."""
    ready: Ready
    used: Used
    seconds: float

    def counts(self) -> dict[str, Any]:
        """Say what ran and how fast, for run.json."""
        return {
            "images": self.n,
            "reused": self.reused,
            "images_per_second": round(self.images_per_second, 1),
            "network": self.ready.key(self.used),
            "used": asdict(self.used),
            "caveat": self.ready.caveat,
        }

    @property
    def images_per_second(self) -> float:
        """Say how fast the network was fed and read, Spark included."""
        return (self.n - self.reused) / self.seconds


def featurize_step(
    spark: SparkSession, cfg: Config, images: DataFrame, output: Output
) -> Featurized:
    """Run the network over those of the images that it has not seen, and write `features/`."""
    ready = make_ready(spark, wish_of(cfg))
    used = used_by_workers(spark, ready)
    wanted = images.select(*[name for name in columns(FEATURE_ROWS) if name != FEATURES])
    cache = f"{absolute(cfg.features.cache)}/{ready.key(used)}" if cfg.features.cache else ""
    new = _new(spark, wanted, cache)
    n_new, started = new.count(), time.monotonic()
    with progress(spark, "featurizing", n_new):
        made = _featurized(spark, cfg, new, ready)
        if cache:
            made.select(SHA256, FEATURES).write.mode("append").parquet(cache)
            made = wanted.join(_kept(spark, cache), on=SHA256, how="inner")
        output.write_table(made.select(*columns(FEATURE_ROWS)), FEATURES)
    seconds = time.monotonic() - started
    rows = spark.read.schema(FEATURE_ROWS).parquet(output.table(FEATURES))
    _quarantine_late(wanted, rows, output)
    n = rows.count()
    return Featurized(rows, n, max(0, n - n_new), ready, used, seconds)


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


def _featurized(spark: SparkSession, cfg: Config, wanted: DataFrame, ready: Ready) -> DataFrame:
    """Read and featurize; the table of images is the small side: no image file is shuffled."""
    files = read_files(spark, cfg.ingest.images, cfg.ingest.max_bytes).select(PATH, CONTENT)
    rows = files.join(F.broadcast(wanted), on=PATH, how="inner")
    made = rows.withColumn("made", vectorizer(ready, raise_bad=False)(F.col(CONTENT)))
    made = made.where(F.col("made.vector").isNotNull())
    return made.withColumn(FEATURES, F.col("made.vector")).select(*columns(FEATURE_ROWS))


def _new(spark: SparkSession, wanted: DataFrame, cache: str) -> DataFrame:
    """Leave out the images whose vector is in the cache, and all but one of equal content."""
    if not cache:
        return wanted
    first = wanted.groupBy(SHA256).agg(F.min(PATH).alias(PATH))
    new = wanted.join(first, on=[SHA256, PATH], how="left_semi")
    store, root = locate(f"{cache}/_SUCCESS")
    if not store.get_file_info(root).is_file:  # nothing there, or the first run was cut off
        return new
    return new.join(_kept(spark, cache).select(SHA256), on=SHA256, how="left_anti")


def _kept(spark: SparkSession, cache: str) -> DataFrame:
    """Read the cache; runs that filled it at the same time may have added a vector twice."""
    rows = spark.read.schema(VECTORS).parquet(cache)
    return rows.groupBy(SHA256).agg(F.first(FEATURES).alias(FEATURES))


def _quarantine_late(wanted: DataFrame, rows: DataFrame, output: Output) -> None:
    """Set aside what decoded at ingest and then not any more: changed, gone, or out of memory."""
    lost = wanted.join(rows.select(PATH), on=PATH, how="left_anti").select(
        PATH,
        SHA256,
        F.lit("unreadable").alias("reason"),
        F.lit("decoded at ingest, and not when it was featurized").alias("detail"),
    )
    if lost.limit(1).count():
        lost.write.mode("append").parquet(output.table("quarantine"))
