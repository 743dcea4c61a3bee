"""Who is measured: the product, its peers on Spark, other engines, and processes without Spark."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.bench import frameworks, peers
from benchmarks.bench.arena import Arena, Contestant, one_process
from benchmarks.bench.films import BenchFilms
from benchmarks.bench.results import PRODUCT, Pass
from spark_cxr.backbones import catalog
from spark_cxr.backbones import user_network as own
from spark_cxr.choices import PEERS
from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.output import locate
from spark_cxr.pipeline.film_run import limits_of, reading_of
from spark_cxr.pipeline.readers import SPARK, choose_reader, read_files
from spark_cxr.pipeline.reading import Viewer, look
from spark_cxr.pipeline.sources import list_files
from spark_cxr.schemas import CONTENT, FEATURES, PATH
from spark_cxr.settings import Config

OF_KERAS = ("recipe", "predict_batch", "keras_process", *frameworks.FRAMEWORKS)
RECIPE_RECORDS = "1024"
"""Rows an Arrow batch that the recipe sets."""
ARROW = "spark.sql.execution.arrow.maxRecordsPerBatch"


def names_of(cfg: Config) -> tuple[str, ...]:
    """Give who takes part, the product always and first."""
    backbone, asked = cfg.features.backbone, cfg.bench.peers
    is_keras = not own.is_own(backbone) and bool(catalog.get(backbone).constructor)
    able = [name for name in PEERS if is_keras or name not in OF_KERAS]
    for name in asked:
        if name not in able:
            way_out = f"Leave {name} out, or choose a network of keras.applications"
            raise ConfigError(f"bench.peers that run {backbone}", name, way_out)
        if frameworks.is_missing(name):
            package = frameworks.PACKAGES[name]
            raise SetupError(f"the package of {name}", "none installed", f"pip install {package}")
    chosen = asked or [name for name in able if not frameworks.is_missing(name)]
    return tuple(name for name in able if name == PRODUCT or name in chosen)


def product(arena: Arena, slots: int = 0) -> Contestant:
    """Do what the jobs do: all that ingest finds out of a file, and its vector, in one pass."""
    reading = reading_of(arena.cfg.ingest, None)

    def rows(files: DataFrame) -> DataFrame:
        files = files.coalesce(slots) if slots else files
        looked = look(files, reading, [Viewer(arena.plan)])
        return looked.withColumn(FEATURES, F.col("vectors")[0])

    return _on_spark(arena, PRODUCT, rows)


def _recipe(arena: Arena) -> Contestant:
    vectors = peers.recipe(_keras_network(arena))
    run = _on_spark(arena, "recipe", _by_udf(vectors, arena.slots))

    def run_in_its_batches(films: BenchFilms) -> Pass:
        before = arena.spark.conf.get(ARROW)
        arena.spark.conf.set(ARROW, RECIPE_RECORDS)
        try:
            return run(films)
        finally:
            arena.spark.conf.set(ARROW, before)

    return run_in_its_batches


def _predict_batch(arena: Arena) -> Contestant:
    vectors = peers.predict_batch(_keras_network(arena), arena.cfg.features.batch_size)
    return _on_spark(arena, "predict_batch", _by_udf(vectors, arena.slots))


def _keras_network(arena: Arena) -> peers.KerasNetwork:
    with one_process() as builder:
        return builder.submit(peers.keras_network, arena.cfg.features).result()


def _by_udf(vectors: Callable[..., Any], slots: int) -> Callable[[DataFrame], DataFrame]:
    """Give each slot one partition: that favours whoever loads a model for each."""
    return lambda files: files.repartition(slots).withColumn(FEATURES, vectors(F.col(CONTENT)))


def _on_spark(arena: Arena, name: str, rows: Callable[[DataFrame], DataFrame]) -> Contestant:
    def run(films: BenchFilms) -> Pass:
        started = time.monotonic()
        arena.spark.sparkContext.environment[OWN_WORKERS] = name
        most, reader = arena.cfg.ingest.max_bytes, SPARK
        listing = list_files(arena.spark, [films.folder])
        if name in OURS:
            reader = choose_reader(arena.spark, arena.cfg.ingest.read, listing.found)
        files = read_files(arena.spark, [films.folder], most, "", listing, reader)
        arena.output.write_table(rows(files).select(PATH, FEATURES), f"vectors/{name}")
        return arena.passed(name, films, time.monotonic() - started)

    return run


OWN_WORKERS = "SPARK_CXR_CONTESTANT"
"""Spark keeps Python workers apart by their environment: what one contestant has loaded there, as
TensorFlow with its millions of objects, slows no other down."""
OURS = (PRODUCT, "spark_alone")
"""Who has the films read as the jobs do."""


def _keras_process(arena: Arena) -> Contestant:
    with one_process() as builder:
        network = builder.submit(peers.prepared, arena.cfg.features, "keras").result()
    return _one_process(arena, "keras_process", network=network)


def _framework(name: str) -> Callable[[Arena], Contestant]:
    def start(arena: Arena) -> Contestant:
        known, process = _keras_network(arena), arena.process()
        target = locate(arena.output.table(f"vectors/{name}"))[1]
        asked = known, arena.slots, arena.cfg.features.batch_size, target

        def run(films: BenchFilms) -> Pass:
            started = time.monotonic()
            process.submit(frameworks.run, name, films.paths, *asked).result()
            return arena.passed(name, films, time.monotonic() - started)

        return run

    return start


def _engine_process(arena: Arena) -> Contestant:
    return _one_process(arena, "engine_process")


def _one_process(arena: Arena, name: str, **changed: Any) -> Contestant:
    made, process = replace(arena.plan, threads=arena.cores, **changed), arena.process()
    target = locate(arena.output.table(f"vectors/{name}"))[1]

    def run(films: BenchFilms) -> Pass:
        started = time.monotonic()
        process.submit(peers.one_process, films.paths, made, target).result()
        return arena.passed(name, films, time.monotonic() - started)

    return run


def _spark_alone(arena: Arena) -> Contestant:
    """Do all of the product's work that is Spark's: read files, hand them over, write vectors."""
    vectors, schema = (
        peers.no_network(arena.plan.network.dim),
        f"{PATH} string, {FEATURES} {peers.VECTOR}",
    )

    def rows(files: DataFrame) -> DataFrame:
        return files.select(PATH, CONTENT).mapInArrow(vectors, schema)

    return _on_spark(arena, "spark_alone", rows)


def _engine_alone(arena: Arena) -> Contestant:
    """Take as many processes of as many threads as Spark has, each with its share of the films."""
    processes = [arena.process() for _ in range(arena.slots)]

    def run(films: BenchFilms) -> Pass:
        shares = [films.paths[n :: arena.slots] for n in range(arena.slots)]
        asked = [
            process.submit(peers.alone, share, arena.plan, limits_of(arena.cfg.ingest))
            for process, share in zip(processes, shares, strict=True)
            if share
        ]
        spent = [each.result() for each in asked]
        rate = sum(each.films / each.engine for each in spent)
        limit = sum(each.films / (each.engine + each.decoding + each.resizing) for each in spent)
        return Pass(rate, limit, tuple(spent))

    return run


CONTESTANTS: dict[str, Callable[[Arena], Contestant]] = {
    PRODUCT: product,
    "recipe": _recipe,
    "predict_batch": _predict_batch,
    **{name: _framework(name) for name in frameworks.FRAMEWORKS},
    "keras_process": _keras_process,
    "engine_process": _engine_process,
    "spark_alone": _spark_alone,
    "engine_alone": _engine_alone,
}
"""The names of choices.PEERS, and what starts each."""
