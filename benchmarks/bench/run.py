"""Let the contestants run in turn, and then the product alone on more and more films.

Each turn begins with a few films that are not counted: there, networks are loaded into workers, and
Spark ends a Python worker that was idle for a minute, as all are while the others run. How long a
cold start takes is told apart from how fast films are done.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack

from pyspark.sql import SparkSession

from benchmarks.bench.arena import Contestant, open_arena
from benchmarks.bench.contestants import CONTESTANTS, OF_KERAS, names_of
from benchmarks.bench.films import BenchFilms, copied
from benchmarks.bench.results import Benched, Pass, Scale
from benchmarks.bench.scaling import scales
from spark_cxr.choices import PEERS
from spark_cxr.output import Output
from spark_cxr.pipeline.networks import used_by_workers
from spark_cxr.settings import Config

LOG = logging.getLogger(__name__)


def bench_step(spark: SparkSession, cfg: Config, output: Output) -> Benched:
    """Let each contestant run `rounds` times in turn, each time after a few uncounted films."""
    names, load = names_of(cfg), os.getloadavg()[0]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spark_cxr-bench-"))
        # The usual ways read with Pillow, which knows no DICOM.
        films = copied(spark, cfg, f"{folder}/films", not set(names) & set(OF_KERAS))
        arena = open_arena(spark, cfg, output, stack)
        used = used_by_workers(spark, arena.plan)
        lead_in = films.linked(f"{folder}/lead-in", 2 * arena.slots * used.batch_size)
        contestants = {name: CONTESTANTS[name](arena) for name in names}
        starts = {name: _seconds(run, lead_in) for name, run in contestants.items()}
        passes = _rounds(contestants, lead_in, films, cfg.bench.rounds)
        grown: tuple[Scale, ...] = scales(arena, films, folder) if cfg.bench.scaling else ()
        key, caveat = arena.plan.key(used), arena.plan.network.weights.caveat
        return Benched(len(films), arena.slots, passes, starts, grown, key, caveat, used, load)


def _seconds(contestant: Contestant, films: BenchFilms) -> float:
    started = time.monotonic()
    contestant(films)
    return time.monotonic() - started


def _rounds(
    contestants: Mapping[str, Contestant], lead_in: BenchFilms, films: BenchFilms, rounds: int
) -> dict[str, tuple[Pass, ...]]:
    passes: dict[str, list[Pass]] = {name: [] for name in contestants}
    for n in range(rounds):
        # There and back again: what gets slower as time goes by does so for all.
        for name in sorted(contestants, key=PEERS.index, reverse=bool(n % 2)):
            contestants[name](lead_in)
            done = contestants[name](films)
            LOG.info(f"bench: round {n + 1}, {name} {done.rate:,.1f} images/s")
            passes[name].append(done)
    return {name: tuple(done) for name, done in passes.items()}
