"""Where the contestants meet: the network, the cores and the room for results."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.bench import peers
from benchmarks.bench.films import BenchFilms
from benchmarks.bench.results import Pass
from spark_cxr.backbones import engines
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.errors import InputError
from spark_cxr.output import Output
from spark_cxr.pipeline.networks import make_plan
from spark_cxr.schemas import FEATURES
from spark_cxr.settings import Config

Contestant = Callable[[BenchFilms], Pass]


@dataclass(frozen=True)
class Arena:
    """What all contestants share."""

    spark: SparkSession
    plan: Plan
    cfg: Config
    output: Output
    stack: ExitStack

    def process(self) -> ProcessPoolExecutor:
        """Start a process that lives until the end, so that it keeps what it has loaded."""
        return self.stack.enter_context(one_process())

    @property
    def slots(self) -> int:
        """Count the tasks that run at once on this host."""
        master = self.spark.conf.get("spark.master", "local") or "local"
        told = re.fullmatch(r"local\[(\d+).*", master)
        cores = int(told[1]) if told else len(os.sched_getaffinity(0))
        return max(1, cores // self.plan.threads)

    @property
    def cores(self) -> int:
        """Count the cores that Spark's tasks have together."""
        return self.slots * self.plan.threads

    def passed(self, name: str, films: BenchFilms, seconds: float) -> Pass:
        """Account for every film before a rate is believed."""
        made = self.spark.read.parquet(self.output.table(f"vectors/{name}"))
        count = made.where(F.col(FEATURES).isNotNull()).count()
        if count != len(films):
            received = f"{count:,} by {name}"
            raise InputError(f"{len(films):,} vectors", received, "Check the images")
        return Pass(count / seconds)


def open_arena(spark: SparkSession, cfg: Config, output: Output, stack: ExitStack) -> Arena:
    """Make the network ready, in a process of its own: Keras does not stay in the driver."""
    wanted = cfg.features
    engine = engines.choose(wanted.engine, wanted.backbone, wanted.device, wanted.precision)
    with one_process() as builder:
        builder.submit(peers.prepared, wanted, engine).result()
    return Arena(spark, make_plan(spark, wanted, ingest=cfg.ingest), cfg, output, stack)


@contextmanager
def one_process() -> Iterator[ProcessPoolExecutor]:
    """Start a fresh process that ends with the block."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        yield process
