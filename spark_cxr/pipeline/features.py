"""Images → feature vectors: what is known is taken from the cache, the rest goes to the network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones.engines.plan import INT8, Plan, Used
from spark_cxr.backbones.quantisation import by_key
from spark_cxr.errors import InputError
from spark_cxr.output import VECTORS, Output
from spark_cxr.pipeline.earlier_run import (
    check_classes,
    ingested_by,
    open_earlier,
    with_its_films,
    with_its_network,
)
from spark_cxr.pipeline.feature_cache import FeatureCache, open_features
from spark_cxr.pipeline.few_near_duplicates import FEW
from spark_cxr.pipeline.ingest import IngestResult, account_of, ingesting, ingesting_again
from spark_cxr.pipeline.reading import is_wanted
from spark_cxr.pipeline.session import expect_few
from spark_cxr.pipeline.vector_table import VectorFacts
from spark_cxr.schemas import FEATURE_ROWS, FEATURES, PATH, SHA256, columns
from spark_cxr.settings import Config, Features

LOG = logging.getLogger(__name__)
FIRST_FILMS, LEAST_FILMS = 64, 8
"""Whose vectors are looked at, and how many there must be."""
LEAST_APART = 0.01
"""Share of their length by which vectors of films are apart: EfficientNet-Lite0's by 0.77; fed with
levels that are 255 times too small, by 0.008."""


@dataclass(frozen=True)
class FeatureResult:
    """What the network left behind."""

    rows: DataFrame
    """`schemas.FEATURE_ROWS`"""
    n: int
    reused: int
    """Films whose vector was in the cache."""
    cache: FeatureCache
    seconds: float
    """For looking at all files and writing what was found, with all networks of the pass."""
    elsewhere: VectorFacts | None = None
    """Of vectors that were made elsewhere; None: a network here has made them."""

    def counts(self) -> dict[str, Any]:
        """Say what ran and how fast, for run.json."""
        known = self.plan.network.quantisation
        return {
            "images": self.n,
            "reused": self.reused,
            "images_per_second": round(self.images_per_second, 1),
            "network": self.cache.key,
            "used": asdict(self.cache.used),
            **({"int8": asdict(known)} if known else {}),
            "caveat": self.plan.network.weights.caveat,
        }

    def lines(self) -> Iterator[str]:
        """Give the lines for the console."""
        yield f"{self.n:,} vectors of {self.plan.network.dim} numbers, {self.reused:,} reused"
        yield f"{self.used.engine} on {self.used.device} in {self.used.precision}"

    @property
    def plan(self) -> Plan:
        """Give the network, and how it was to run."""
        return self.cache.plan

    @property
    def used(self) -> Used:
        """Say what the network really ran on."""
        return self.cache.used

    @property
    def numbers(self) -> int:
        """Say how many numbers the vectors have in all."""
        return self.n * self.plan.network.dim

    @property
    def images_per_second(self) -> float:
        """Say how fast films went from file to vector, everything included."""
        return self.n / self.seconds


def featurize_step(
    spark: SparkSession, cfg: Config, output: Output, labels: tuple[str, ...] | None = None
) -> tuple[IngestResult, FeatureResult]:
    """Ingest and featurize in one pass: write `images/`, `quarantine/` and `features/`.

    With `labels` only films of these get a vector; with none named, those of any label. Films that
    `--table` names are ingested already: of these only `features/` and a quarantine are written.
    """
    ingested, (result,) = featurize_by(spark, cfg, [(cfg.features, output)], labels)
    return ingested, result


def featurize_by(
    spark: SparkSession,
    cfg: Config,
    networks: Sequence[tuple[Features, Output]],
    labels: tuple[str, ...] | None = None,
) -> tuple[IngestResult, list[FeatureResult]]:
    """Do the same with several networks, each of which runs on the same decoded film.

    Each network has an output for its `features/`; the first one's also takes all else.
    """
    output = networks[0][1]
    films_of: Callable[..., Any] = ingesting
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        cfg = with_its_films(cfg, earlier, "--table")
        films_of = partial(ingesting_again, source=earlier.output)
    caches = [open_features(spark, wanted, labels, cfg.ingest) for wanted, _ in networks]
    started = time.monotonic()
    with films_of(spark, cfg.ingest, output, caches) as (ingested, films):
        counts = [
            _write_features(films, number, ingested, cache, place)
            for number, (cache, (_, place)) in enumerate(zip(caches, networks, strict=True))
        ]
    seconds = time.monotonic() - started
    on_gpus = [cache.used for cache in caches if cache.used.device.startswith("gpu")]
    if on_gpus and (line := ingested.times.advice(on_gpus[0].threads)):
        LOG.info(line)
    results = [
        _featurized(spark, ingested, cache, place, n_new, seconds)
        for cache, (_, place), n_new in zip(caches, networks, counts, strict=True)
    ]
    return ingested, results


def featurized_earlier(
    spark: SparkSession, cfg: Config
) -> tuple[Config, IngestResult, FeatureResult]:
    """Take the vectors of an earlier run; also give the settings with its films and network."""
    earlier = open_earlier(cfg.train.features, "--features", FEATURES)
    check_classes(cfg, earlier)
    films = ingested_by(earlier)
    cfg = with_its_network(with_its_films(cfg, films, "--features"), earlier)
    if cfg.features.precision == INT8 and (known := by_key(earlier.network)):
        # The very network: new films in the folders would give another calibration.
        cfg = replace(cfg, features=replace(cfg.features, calibrate=str(known)))
    cache = open_features(spark, cfg.features, ingest=cfg.ingest)
    if cache.key != earlier.network:
        way_out = "Run featurize again: the weights, the network or the processor have changed"
        raise InputError(f"features of {cache.key}", earlier.network or "none", way_out)
    started = time.monotonic()
    rows = spark.read.schema(FEATURE_ROWS).parquet(earlier.output.table(FEATURES))
    n = rows.count()
    expect_few(spark, n <= FEW)
    ingested = account_of(spark, films.output)
    return cfg, ingested, FeatureResult(rows, n, n, cache, time.monotonic() - started)


def _write_features(
    films: DataFrame, number: int, ingested: IngestResult, cache: FeatureCache, output: Output
) -> int:
    """Write the vectors of one network, and count those that are new.

    Vectors are joined to what is known of their films; the table of films is the small side.
    """
    vectors = films.select(PATH, SHA256, F.col("vectors")[number].alias(FEATURES))
    vectors = vectors.where(F.col(FEATURES).isNotNull())
    n_new, images, key = vectors.count(), ingested.images, PATH
    if cache.address:
        vectors.select(SHA256, FEATURES).write.mode("append").parquet(cache.address)
        vectors, key = cache.known(images.sparkSession), SHA256
        images = images.where(is_wanted(cache.labels))
    else:
        vectors = vectors.drop(SHA256)
    rows = vectors.join(F.broadcast(images), on=key, how="inner").select(*columns(FEATURE_ROWS))
    output.write_table(rows, FEATURES)
    return int(n_new)


def alike(rows: DataFrame) -> str:
    """Say so where the first vectors hardly differ, as they do of levels in a wrong range."""
    found = [row[FEATURES] for row in rows.select(FEATURES).limit(FIRST_FILMS).collect()]
    vectors = np.asarray(found, np.float64)
    if len(vectors) < LEAST_FILMS:
        return ""
    mean = vectors.mean(axis=0)
    apart = np.linalg.norm(vectors - mean, axis=1).mean() / max(np.linalg.norm(mean), 1e-30)
    if apart >= LEAST_APART:
        return ""
    return (
        f"the vectors of {len(vectors)} films are nearly alike ({apart:.2%} of their length "
        "apart): "
        "is the range of values in its card right (scale, offset, mean, std)?"
    )


def _featurized(
    spark: SparkSession,
    ingested: IngestResult,
    cache: FeatureCache,
    output: Output,
    n_new: int,
    seconds: float,
) -> FeatureResult:
    rows = spark.read.schema(FEATURE_ROWS).parquet(output.table(FEATURES))
    n, wanted = rows.count(), ingested.images.where(is_wanted(cache.labels)).count()
    if n != wanted:
        way_out = "Run again when no one writes to the folders and the cache"
        raise InputError(f"a vector for each of {wanted:,} films", f"{n:,}", way_out)
    output.write_json(VECTORS, {"network": cache.key})
    if cache.plan.network.card and (line := alike(rows)):
        LOG.warning(f"{cache.plan.network.backbone}: {line}")
    return FeatureResult(rows, n, max(0, n - n_new), cache, seconds)
