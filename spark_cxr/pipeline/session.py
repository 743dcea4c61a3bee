"""Start, find and describe a Spark session, classic or Connect."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from spark_cxr.config import conf_dir
from spark_cxr.errors import SetupError
from spark_cxr.pipeline.java import need_java, without_noise
from spark_cxr.pipeline.local_settings import GATEWAY, are_ours_alone, local_settings

if TYPE_CHECKING:
    from pyspark import SparkConf

# Py4JError is what Spark throws and PySpark has no class for: a job that its executors gave up.
try:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped,unused-ignore]
except ImportError:  # a client of Spark Connect has no Java beside it
    Py4JError = PySparkException

SPARK_ERRORS = (PySparkException, Py4JError)
DEATH = re.compile(
    r"Python worker exited unexpectedly|ExecutorLostFailure|java\.io\.EOFException"
    r"|Connection reset|Broken pipe"
)
"""What Spark says when a worker has ended in mid-task."""
GPUS_OF_A_TASK = "spark.task.resource.gpu.amount"
RUNTIME = {
    # Rows carry whole image files here; Spark's 10,000 rows a batch would be gigabytes.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "32",
    # And 32 large DICOM files half a gigabyte; Spark knows this limit from 4.1 on.
    "spark.sql.execution.arrow.maxBytesPerBatch": "33554432",
    # Spark reckons 4 MB for opening a file, which makes tasks of 30 films; a network likes more.
    "spark.sql.files.openCostInBytes": "1m",
    # Each file of a long list would be a task of its own, only to be listed.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "128",
    "spark.sql.session.timeZone": "UTC",
    # A worker that crashes says where, one that hangs is named in the log after two minutes.
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
    "spark.sql.execution.pyspark.udf.idleTimeoutSeconds": "120",
}
OWN = "spark.spark_cxr.own"
"""Marks a session that was started here, whose settings are nobody else's: as they were then."""
FOR_FEW = {
    # Rows are fewer than what it takes to compile a program for them, and to plan it anew.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
"""For tables of few rows."""


def open_session(name: str, settings: Mapping[str, str] | None = None) -> SparkSession:
    """Take the session that is there (a notebook's, a cluster's) or start one for this job."""
    session = SparkSession.getActiveSession()
    if session is None:
        session = _start(name, settings or {})
        session.conf.set(OWN, json.dumps({key: session.conf.get(key) for key in FOR_FEW}))
    for key, value in RUNTIME.items():
        session.conf.set(key, value)
    return session


def expect_few(spark: SparkSession, are_few: bool = True) -> None:
    """Suit a session that was started here to tables of few rows, or to any, from here on."""
    before = json.loads(spark.conf.get(OWN, "{}") or "{}")
    for key, value in before.items():
        spark.conf.set(key, FOR_FEW[key] if are_few else value)


@dataclass
class LateSession:
    """A session that is there, or that starts when it turns out to be needed, for few rows."""

    name: str
    started: SparkSession | None = None

    def __post_init__(self) -> None:
        if self.started is not None:
            expect_few(self.started)

    def get(self) -> SparkSession:
        """Give the session."""
        if self.started is None:
            self.started = open_session(self.name)
            expect_few(self.started)
        return self.started


def may_start_late() -> bool:
    """Tell whether no session is there, and all that one could do is done on this machine."""
    return SparkSession.getActiveSession() is None and are_ours_alone()


def gpus_of_a_task(spark: SparkSession) -> float:
    """Say how many GPUs Spark is to give to each task, as conf/gpu.conf says."""
    return float(spark.conf.get(GPUS_OF_A_TASK, "0") or 0)


def _refuse_endless_wait(get: Callable[[str, str], str | None]) -> None:
    """Refuse GPUs for tasks on one machine: there Spark has none to give, and waits for ever."""
    master = get("spark.master", "") or ""
    if re.match(r"local($|\[)", master) and float(get(GPUS_OF_A_TASK, "0") or 0):
        expected = "a cluster, whose workers offer GPUs to tasks"
        way_out = (
            "Name the cluster with --master; on one machine leave conf/gpu.conf out, "
            "--device gpu finds the GPU"
        )
        raise SetupError(expected, f"spark.master={master}", way_out)


def is_connect(spark: SparkSession) -> bool:
    """Tell a Spark Connect session from a classic one."""
    return "connect" in type(spark).__module__


def all_here(spark: SparkSession) -> bool:
    """Say whether all workers are on this host, and no cluster is only played."""
    master = spark.conf.get("spark.master", "local") or "local"
    return master == "local" or master.startswith("local[")


def describe(spark: SparkSession) -> dict[str, str]:
    """Say which Spark this is, for run.json."""
    return {
        "spark": spark.version,
        "session": "connect" if is_connect(spark) else "classic",
        "master": spark.conf.get("spark.master", "unknown") or "unknown",
    }


def _start(name: str, settings: Mapping[str, str]) -> SparkSession:
    submitted = GATEWAY in os.environ
    starting: AbstractContextManager[None] = nullcontext()
    if not submitted and os.environ.get("SPARK_REMOTE", "local").startswith("local"):
        _prepare_local()
        # Of a Java that runs already, and for one that is asked for far away, it does nothing.
        settings = {**local_settings(name), **settings}
        starting = without_noise()
    elif submitted and "SPARK_REMOTE" not in os.environ:
        _refuse_endless_wait(_submitted_settings().get)  # Spark itself would say it less clearly
    builder = SparkSession.builder.appName(f"spark_cxr {name}")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with starting:
        session = builder.getOrCreate()
    _refuse_endless_wait(session.conf.get)
    return session


def _submitted_settings() -> SparkConf:
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()  # else the conf does not have the settings of spark-submit
    return SparkConf()


def _prepare_local() -> None:
    need_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_CONF_DIR", str(conf_dir() / "local"))
