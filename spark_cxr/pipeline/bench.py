"""How fast the product is, as ratios: contestants on one set of films, one after the other.

All have the same weights, the same films and the same cores. The first pass of each is not
counted: there models are loaded. Ray Data and Daft are not among them: neither is a package of
this project, so neither is installed.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_cxr.backbones import catalog, engines, own
from spark_cxr.errors import BadImage, ConfigError, InputError
from spark_cxr.images.decode import decode
from spark_cxr.output import Output, locate
from spark_cxr.pipeline import peers
from spark_cxr.pipeline.benched import PRODUCT, Benched, Pass
from spark_cxr.pipeline.eye import wish_of
from spark_cxr.pipeline.featurizer import vectorizer
from spark_cxr.pipeline.files import list_files, read_files
from spark_cxr.pipeline.networks import Ready, make_ready, used_by_workers
from spark_cxr.schemas import CONTENT, FEATURES, PATH
from spark_cxr.settings import PEERS, Config

OF_KERAS = ("recipe", "predict_batch", "keras_process")
RECIPE_RECORDS = "1024"
"""Rows an Arrow batch that the recipe sets."""
ARROW = "spark.sql.execution.arrow.maxRecordsPerBatch"


Contestant = Callable[[], Pass]


@dataclass(frozen=True)
class Arena:
    """Where the contestants meet: the films, the network and the room for results."""

    spark: SparkSession
    folder: str
    paths: tuple[str, ...]
    ready: Ready
    cfg: Config
    output: Output
    slots: int
    stack: ExitStack

    def process(self) -> ProcessPoolExecutor:
        """Start a process that lives until the end, so that it keeps what it has loaded."""
        return self.stack.enter_context(_process())

    @property
    def cores(self) -> int:
        """Count the cores that Spark's tasks have together."""
        return self.slots * self.ready.recipe.threads


def bench_step(spark: SparkSession, cfg: Config, output: Output) -> Benched:
    """Let each contestant run once uncounted, then `rounds` times in turn."""
    names, wish, load = _names(cfg), wish_of(cfg), os.getloadavg()[0]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spark_cxr-bench-"))
        paths = _copied(spark, cfg, folder)
        engine = engines.choose(wish.engine, wish.backbone, wish.device)
        with _process() as builder:
            builder.submit(peers.prepared, wish, engine).result()
        ready = make_ready(spark, wish)
        used, slots = used_by_workers(spark, ready), _slots(spark)
        arena = Arena(spark, folder, paths, ready, cfg, output, slots, stack)
        contestants = {name: CONTESTANTS[name](arena) for name in names}
        passes = _rounds(contestants, cfg.bench.rounds)
    return Benched(len(paths), slots, passes, ready.key(used), ready.caveat, used, load)


def _names(cfg: Config) -> tuple[str, ...]:
    """Give who takes part, the product always and first."""
    backbone, asked = cfg.features.backbone, cfg.bench.peers
    is_keras = not own.is_own(backbone) and bool(catalog.get(backbone).constructor)
    able = [name for name in PEERS if is_keras or name not in OF_KERAS]
    for name in asked:
        if name not in able:
            way_out = f"Leave {name} out, or choose a network of keras.applications"
            raise ConfigError(f"bench.peers that run {backbone}", name, way_out)
    return tuple(name for name in able if name == PRODUCT or not asked or name in asked)


def _copied(spark: SparkSession, cfg: Config, folder: str) -> tuple[str, ...]:
    """Copy the first films that decode next to each other: all contestants read these."""
    listing = list_files(spark, cfg.ingest.images).files.select(PATH).orderBy(PATH)
    kept: list[str] = []
    for row in listing.limit(cfg.bench.limit).collect():
        store, place = locate(row[PATH])
        with store.open_input_stream(place) as stream:
            data = bytes(stream.read())
        try:
            is_dicom = decode(data).format == "dicom"
        except BadImage:
            continue
        if not is_dicom:  # the peers read with Pillow
            kept.append(f"{folder}/{len(kept):07d}{Path(place).suffix}")
            Path(kept[-1]).write_bytes(data)
    if not kept:
        received = ", ".join(cfg.ingest.images)
        raise InputError("images that Pillow reads in --images", received, "Name PNG or JPEG files")
    return tuple(kept)


def _rounds(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, tuple[Pass, ...]]:
    passes: dict[str, list[Pass]] = {name: [] for name in contestants}
    for n in range(rounds + 1):
        # There and back again: what gets slower as time goes by does so for all.
        for name in sorted(contestants, key=PEERS.index, reverse=bool(n % 2)):
            done = contestants[name]()
            words = f"round {n}" if n else "warm-up"
            print(f"bench: {words}, {name} {done.rate:,.1f} images/s", file=sys.stderr, flush=True)
            passes[name].append(done)
    return {name: tuple(done[1:]) for name, done in passes.items()}


def _product(arena: Arena) -> Contestant:
    vectors = vectorizer(arena.ready, raise_bad=True)
    return _on_spark(arena, PRODUCT, lambda films: vectors(F.col(CONTENT)).getField("vector"))


def _recipe(arena: Arena) -> Contestant:
    vectors = peers.recipe(_keras_network(arena))
    run = _on_spark(arena, "recipe", lambda films: vectors(F.col(CONTENT)), arena.slots)

    def run_in_its_batches() -> Pass:
        before = arena.spark.conf.get(ARROW)
        arena.spark.conf.set(ARROW, RECIPE_RECORDS)
        try:
            return run()
        finally:
            arena.spark.conf.set(ARROW, before)

    return run_in_its_batches


def _predict_batch(arena: Arena) -> Contestant:
    vectors = peers.predict_batch(_keras_network(arena), arena.cfg.features.batch_size)
    return _on_spark(arena, "predict_batch", lambda films: vectors(F.col(CONTENT)), arena.slots)


def _keras_network(arena: Arena) -> peers.KerasNetwork:
    with _process() as builder:
        return builder.submit(peers.keras_network, wish_of(arena.cfg)).result()


def _on_spark(
    arena: Arena, name: str, vectors: Callable[[DataFrame], Any], partitions: int = 0
) -> Contestant:
    def run() -> Pass:
        started = time.monotonic()
        films = read_files(arena.spark, [arena.folder], arena.cfg.ingest.max_bytes)
        films = films.repartition(partitions) if partitions else films
        made = films.select(PATH, vectors(films).alias(FEATURES))
        arena.output.write_table(made, f"vectors/{name}")
        return _passed(arena, name, time.monotonic() - started)

    return run


def _keras_process(arena: Arena) -> Contestant:
    with _process() as builder:
        path = builder.submit(peers.prepared, wish_of(arena.cfg), "keras").result()
    return _one_process(arena, "keras_process", engine="keras", network=path)


def _engine_process(arena: Arena) -> Contestant:
    return _one_process(arena, "engine_process")


def _one_process(arena: Arena, name: str, **changed: Any) -> Contestant:
    made, process = replace(arena.ready.recipe, threads=arena.cores, **changed), arena.process()
    target = locate(arena.output.table(f"vectors/{name}"))[1]

    def run() -> Pass:
        started = time.monotonic()
        process.submit(peers.one_process, arena.paths, made, target).result()
        return _passed(arena, name, time.monotonic() - started)

    return run


def _engine_alone(arena: Arena) -> Contestant:
    """Take as many processes of as many threads as Spark has, each with its share of the films."""
    processes = [arena.process() for _ in range(arena.slots)]

    def run() -> Pass:
        shares = [arena.paths[n :: arena.slots] for n in range(arena.slots)]
        asked = [
            process.submit(peers.alone, share, arena.ready.recipe)
            for process, share in zip(processes, shares, strict=True)
            if share
        ]
        spent = [each.result() for each in asked]
        rate = sum(each.films / each.engine for each in spent)
        return Pass(rate, sum(each.films / (each.engine + each.decoding) for each in spent))

    return run


def _passed(arena: Arena, name: str, seconds: float) -> Pass:
    """Account for every film before a rate is believed."""
    made = arena.spark.read.parquet(arena.output.table(f"vectors/{name}"))
    count = made.where(F.col(FEATURES).isNotNull()).count()
    if count != len(arena.paths):
        received = f"{count:,} by {name}"
        raise InputError(f"{len(arena.paths):,} vectors", received, "Check the images")
    return Pass(count / seconds)


@contextmanager
def _process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process


def _slots(spark: SparkSession) -> int:
    """Count the tasks that run at once on this host."""
    told = re.fullmatch(r"local\[(\d+).*", spark.conf.get("spark.master", "local") or "local")
    cores = int(told[1]) if told else len(os.sched_getaffinity(0))
    return max(1, cores // int(spark.conf.get("spark.task.cpus", "1") or 1))


CONTESTANTS: dict[str, Callable[[Arena], Contestant]] = {
    "product": _product,
    "recipe": _recipe,
    "predict_batch": _predict_batch,
    "keras_process": _keras_process,
    "engine_process": _engine_process,
    "engine_alone": _engine_alone,
}
"""The names of settings.PEERS, and what starts each."""
