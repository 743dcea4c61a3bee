"""Images → feature vectors: what is known is taken from the cache, the rest goes to the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import Used
from spark_cxr.errors import InputError
from spark_cxr.output import VECTORS, Output
from spark_cxr.pipeline.again import looked_at_again
from spark_cxr.pipeline.earlier import (
    check_classes,
    ingested_by,
    open_earlier,
    with_its_films,
    with_its_network,
)
from spark_cxr.pipeline.eye import Eye, open_eye
from spark_cxr.pipeline.steps import Ingested, account_of, looked_at
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, LABEL, PATH, SHA256, columns
from spark_cxr.settings import Config


@dataclass(frozen=True)
class Featurized:
    """What the network left behind."""

    rows: DataFrame
    """`schemas.FEATURE_ROWS`"""
    n: int
    reused: int
    """Films whose vector was in the cache."""
    eye: Eye
    seconds: float
    """For looking at all files and writing what was found."""

    def counts(self) -> dict[str, Any]:
        """Say what ran and how fast, for run.json."""
        return {
            "images": self.n,
            "reused": self.reused,
            "images_per_second": round(self.images_per_second, 1),
            "network": self.eye.key,
            "used": asdict(self.eye.used),
            "caveat": self.eye.ready.caveat,
        }

    @property
    def used(self) -> Used:
        """Say what the network really ran on."""
        return self.eye.used

    @property
    def numbers(self) -> int:
        """Say how many numbers the vectors have in all."""
        return self.n * self.eye.ready.network.dim

    @property
    def images_per_second(self) -> float:
        """Say how fast films went from file to vector, everything included."""
        return self.n / self.seconds


def featurize_step(
    spark: SparkSession, cfg: Config, output: Output, labels: tuple[str, ...] | None = None
) -> tuple[Ingested, Featurized]:
    """Ingest and featurize in one pass: write `images/`, `quarantine/` and `features/`.

    With `labels` only films of these get a vector; with none named, those of any label. Films that
    `--table` names are ingested already: of these only `features/` and a quarantine are written.
    """
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        cfg = with_its_films(cfg, earlier, "--table")
        return _featurize(
            spark, cfg, output, labels, partial(looked_at_again, source=earlier.output)
        )
    return _featurize(spark, cfg, output, labels, looked_at)


def featurize_again(
    spark: SparkSession,
    cfg: Config,
    output: Output,
    source: Output,
    labels: tuple[str, ...] | None = None,
    lost: str = "quarantine",
) -> Featurized:
    """Show films to one more network, those whose table `images` is in `source`.

    Those that are gone or have changed since are listed in the table `lost`.
    """
    looking = partial(looked_at_again, source=source, lost=lost)
    return _featurize(spark, cfg, output, labels, looking)[1]


def _featurize(
    spark: SparkSession,
    cfg: Config,
    output: Output,
    labels: tuple[str, ...] | None,
    looking: Callable[..., Any],
) -> tuple[Ingested, Featurized]:
    eye = open_eye(spark, cfg, labels)
    started = time.monotonic()
    with looking(spark, cfg.ingest, output, eye) as (ingested, looked):
        made = looked.where(F.col(FEATURES).isNotNull()).select(PATH, SHA256, FEATURES)
        n_new = made.count()
        output.write_table(_feature_rows(ingested.images, made, eye), FEATURES)
    seconds = time.monotonic() - started
    rows = spark.read.schema(FEATURE_ROWS).parquet(output.table(FEATURES))
    n = rows.count()
    _check_account(n, ingested.images.where(eye.wants(F.col(LABEL))).count())
    output.write_json(VECTORS, {"network": eye.key})
    return ingested, Featurized(rows, n, max(0, n - n_new), eye, seconds)


def featurized_earlier(spark: SparkSession, cfg: Config) -> tuple[Config, Ingested, Featurized]:
    """Take the vectors of an earlier run; also give the settings with its films and network."""
    earlier = open_earlier(cfg.train.features, "--features", FEATURES)
    check_classes(cfg, earlier)
    films = ingested_by(earlier)
    cfg = with_its_network(with_its_films(cfg, films, "--features"), earlier)
    eye = open_eye(spark, cfg)
    if eye.key != earlier.network:
        way_out = "Run featurize again: the weights, the network or the processor have changed"
        raise InputError(f"features of {eye.key}", earlier.network or "none", way_out)
    started = time.monotonic()
    rows = spark.read.schema(FEATURE_ROWS).parquet(earlier.output.table(FEATURES))
    n, ingested = rows.count(), account_of(spark, films.output)
    return cfg, ingested, Featurized(rows, n, n, eye, time.monotonic() - started)


def _feature_rows(images: DataFrame, made: DataFrame, eye: Eye) -> DataFrame:
    """Join vectors to what is known of their films; the table of films is the small side."""
    if not eye.cache:
        vectors, key = made.drop(SHA256), PATH
    else:
        made.select(SHA256, FEATURES).write.mode("append").parquet(eye.cache)
        vectors, key = eye.known(images.sparkSession), SHA256
        images = images.where(eye.wants(F.col(LABEL)))
    return vectors.join(F.broadcast(images), on=key, how="inner").select(*columns(FEATURE_ROWS))


def _check_account(n: int, wanted: int) -> None:
    if n != wanted:
        way_out = "Run again when no one writes to the folders and the cache"
        raise InputError(f"a vector for each of {wanted:,} films", f"{n:,}", way_out)
