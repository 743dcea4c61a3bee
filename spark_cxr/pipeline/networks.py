"""Bring a network to the workers: resolved and built once on the driver, then found by content."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache

import pyarrow as pa
from pyspark import SparkFiles, TaskContext
from pyspark.sql import SparkSession

from spark_cxr.backbones import engines, network, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.devices import refuse_missing_gpu
from spark_cxr.backbones.engines.plan import INT8, Plan, Used, batch_size_for
from spark_cxr.backbones.network import Network
from spark_cxr.pipeline.film_pass import arrow_schema
from spark_cxr.pipeline.session import all_here, gpus_of_a_task
from spark_cxr.settings import Features, Ingest

GPU = "gpu"
ON_GPUS = ("keras", "onnxruntime")
"""The engines that run on them."""
USED = "engine string, device string, precision string, threads int, batch_size int"


def make_plan(
    spark: SparkSession, wanted: Features, pooling: str = "avg", ingest: Ingest | None = None
) -> Plan:
    """Choose the engine, resolve the weights, build the network's file, and ship it.

    For int8 it is calibrated on the films of `ingest`, where the settings name no others.
    """
    from spark_cxr.pipeline.calibration import check_films, for_int8  # not for workers

    row = own.find_wanted(wanted)
    device = _device_wanted(spark, wanted)
    engine = engines.choose(wanted.engine, wanted.backbone, device, wanted.precision)
    if wanted.precision == INT8:
        check_films(wanted.calibrate, ingest)
    if engine in ON_GPUS and device.startswith(GPU) and all_here(spark):
        refuse_missing_gpu()
    found = weights.resolve(wanted.weights, row, wanted.mirror)
    built = network.prepare(row, found, engine, pooling)
    if wanted.precision == INT8:
        built = for_int8(spark, built, wanted.calibrate, ingest)
    ship(spark, built)
    return Plan(
        network=built,
        threads=threads_of(spark),
        precision=wanted.precision,
        device=device,
        batch_size=batch_size_for(wanted.batch_size, engine, device),
    )


def threads_of(spark: SparkSession) -> int:
    """Say how many cores a task has; with a GPU its share of all that the executor has."""
    own = int(spark.conf.get("spark.task.cpus", "1") or 1)
    cores = int(spark.conf.get("spark.executor.cores", "0") or 0)
    gpus = float(spark.conf.get("spark.executor.resource.gpu.amount", "0") or 0)
    return cores_of_a_task(own, cores, gpus, gpus_of_a_task(spark))


def cores_of_a_task(own: int, cores: int, gpus: float, gpus_of_each: float) -> int:
    """Give a task the cores that nobody else can use, because the GPUs are given away before.

    Args:
        own: What Spark reckons a task to take (spark.task.cpus).
        cores: Those of an executor; 0 where nobody says how many.
        gpus: Those of an executor.
        gpus_of_each: What a task takes of them; 0 where tasks have none.
    """
    if not cores or not gpus or not gpus_of_each:
        return own
    tasks = max(1, min(cores // own, int(gpus / gpus_of_each)))
    return max(own, cores // tasks)


def used_by_workers(spark: SparkSession, plan: Plan) -> Used:
    """Load the network on one worker and say what it really runs on; fails early where it can't."""

    def say(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            used = engines.load(on_this_worker(plan)).used
            yield pa.RecordBatch.from_pylist([asdict(used)], arrow_schema(USED))

    row = spark.range(1, numPartitions=1).mapInArrow(say, USED).collect()[0]
    return Used(**row.asDict())


def on_this_worker(plan: Plan) -> Plan:
    """Give the plan with the file and the device that this worker has; runs on the worker."""
    shipped: tuple[str, ...] = ()
    if TaskContext.get():  # elsewhere the process is the user's
        _freeze_imports(engines.load.cache_info().currsize)
        shipped = (SparkFiles.getRootDirectory(), ".")
    return replace(plan, network=network.local(plan.network, shipped), device=_device_given(plan))


@cache
def _freeze_imports(networks: int) -> None:
    """Let the garbage collector pass over what was imported, once more for each network loaded.

    PySpark collects garbage after every task of a worker: 75 ms over Spark, pandas and this
    library, 155 ms with OpenVINO, all of which stays anyway.
    """
    gc.freeze()


def _device_wanted(spark: SparkSession, wanted: Features) -> str:
    """Let auto mean the GPU where each task is given one: the driver's own host may have none."""
    free = wanted.device == "auto" and wanted.engine in ("auto", *ON_GPUS)
    free = free and wanted.precision != INT8
    return GPU if free and gpus_of_a_task(spark) else wanted.device


def _device_given(plan: Plan) -> str:
    """Take the GPU that Spark gave to this task, where it gave one and none was ruled out."""
    context = TaskContext.get()
    given = context.resources().get(GPU) if context else None
    free = plan.engine in ON_GPUS and plan.device in ("auto", GPU)
    return f"{GPU}:{given.addresses[0]}" if given and free else plan.device


def ship(spark: SparkSession, built: Network) -> None:
    """Send the file along with the session, unless all workers are on this host.

    PySpark 3.5 cannot do so in all sessions: there the cache must be a folder that all nodes see.
    """
    if built.path and spark.version >= "4" and not all_here(spark):
        spark.addArtifacts(built.path, file=True)
