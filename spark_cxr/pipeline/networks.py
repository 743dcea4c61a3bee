"""Bring a network to the workers: resolved and built once on the driver, then found by content."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache

import pandas as pd
from pyspark import SparkFiles, TaskContext
from pyspark.sql import SparkSession

from spark_cxr.backbones import engines, network, own, weights
from spark_cxr.backbones.engines.devices import refuse_missing_gpu
from spark_cxr.backbones.engines.plan import Used
from spark_cxr.backbones.featurize import FeatureRecipe
from spark_cxr.backbones.network import Network
from spark_cxr.images.film import DEFAULT_LIMITS, Limits
from spark_cxr.pipeline.session import gpus_of_a_task

GPU = "gpu"
ON_GPUS = "keras"
"""The engine that runs on them."""
USED = "engine string, device string, precision string, threads int, batch_size int"


@dataclass(frozen=True)
class Wish:
    """What a user may say about the network, before anything is looked up."""

    backbone: str
    weights: str = ""
    mirror: str = ""
    normalising: str = ""
    pooling: str = "avg"
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    batch_size: int = 32
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Ready:
    """A network whose file is built and verified, and how it is to be run."""

    network: Network
    recipe: FeatureRecipe

    def key(self, used: Used) -> str:
        """Name the features: vectors of one key can be mixed, of two keys not."""
        return f"{self.network.backbone}-{network.key(self.network)[:16]}-{used.precision}"

    @property
    def caveat(self) -> str:
        """Say what must stand in every output: random weights, no digest."""
        return self.network.weights.caveat


def make_ready(spark: SparkSession, wish: Wish) -> Ready:
    """Choose the engine, resolve the weights, build the network's file, and ship it."""
    row = own.find(wish.backbone, wish.normalising)
    device = _wanted_device(spark, wish)
    engine = engines.choose(wish.engine, wish.backbone, device)
    if engine == ON_GPUS and device.startswith(GPU) and all_here(spark):
        refuse_missing_gpu()
    built = network.prepare(
        row, weights.resolve(wish.weights, row, wish.mirror), engine, wish.pooling
    )
    ship(spark, built)
    return Ready(
        built,
        FeatureRecipe(
            backbone=wish.backbone,
            engine=engine,
            batch_size=wish.batch_size,
            limits=wish.limits,
            network=built.path,
            precision=wish.precision,
            threads=int(spark.conf.get("spark.task.cpus", "1") or 1),
            device=device,
        ),
    )


def used_by_workers(spark: SparkSession, ready: Ready) -> Used:
    """Load the network on one worker and say what it really runs on; fails early where it can't."""

    def say(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for _ in batches:
            used = engines.load(on_this_worker(ready).plan).used
            yield pd.DataFrame([asdict(used)])

    told = spark.range(1, numPartitions=1).mapInPandas(say, USED).collect()[0]
    return Used(**told.asDict())


def on_this_worker(ready: Ready) -> FeatureRecipe:
    """Give the recipe with the file and the device that this worker has; runs on the worker."""
    if TaskContext.get():  # elsewhere the process is the user's
        _freeze_imports(engines.load.cache_info().currsize)
    here = network.local(ready.network, (SparkFiles.getRootDirectory(), "."))
    return replace(ready.recipe, network=here.path, device=_device(ready.recipe))


@cache
def _freeze_imports(networks: int) -> None:
    """Let the garbage collector pass over what was imported, once more for each network loaded.

    PySpark collects garbage after every task of a worker: 75 ms over Spark, pandas and this
    library, 155 ms with OpenVINO, all of which stays anyway.
    """
    gc.freeze()


def _wanted_device(spark: SparkSession, wish: Wish) -> str:
    """Let auto mean the GPU where each task is given one: the driver's own host may have none."""
    free = wish.device == "auto" and wish.engine in ("auto", ON_GPUS)
    return GPU if free and gpus_of_a_task(spark) else wish.device


def _device(recipe: FeatureRecipe) -> str:
    """Take the GPU that Spark gave to this task, where it gave one and none was ruled out."""
    context = TaskContext.get()
    given = context.resources().get(GPU) if context else None
    free = recipe.engine == ON_GPUS and recipe.device in ("auto", GPU)
    return f"{GPU}:{given.addresses[0]}" if given and free else recipe.device


def ship(spark: SparkSession, built: Network) -> None:
    """Send the file along with the session, unless all workers are on this host.

    PySpark 3.5 cannot do so in all sessions: there the cache must be a folder that all nodes see.
    """
    if built.path and spark.version >= "4" and not all_here(spark):
        spark.addArtifacts(built.path, file=True)


def all_here(spark: SparkSession) -> bool:
    """Say whether all workers are on this host, and no cluster is only played."""
    master = spark.conf.get("spark.master", "local") or "local"
    return master == "local" or master.startswith("local[")
