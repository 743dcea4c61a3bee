"""Where the time and the memory of a pass over films went, as run.json and the console say it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.backbones.engines.batch_size import advice
from spark_cxr.images.apart import peak_of
from spark_cxr.images.clock import STAGES
from spark_cxr.pipeline.session import is_connect

MB = 2**20
CONFIGURED = ("spark.driver.memory", "spark.executor.memory", "spark.executor.memoryOverhead")


@dataclass(frozen=True)
class PassTimes:
    """What the workers of a pass have spent."""

    films: int = 0
    seconds: float = 0.0
    """From the first film to the last, on the wall."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of all workers together, for each of `images.clock.STAGES`."""
    worker_peak: int = 0
    """Bytes of memory that a Python worker had at most."""
    driver_peak: int = 0
    """Bytes of memory that the driver's JVM had at most; 0: it is not to be seen from here."""
    configured: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: PassTimes) -> PassTimes:
        """Add those of another pass of the run."""
        stages = {
            name: self.stages.get(name, 0.0) + other.stages.get(name, 0.0)
            for name in STAGES
            if name in self.stages or name in other.stages
        }
        return PassTimes(
            self.films + other.films,
            self.seconds + other.seconds,
            stages,
            max(self.worker_peak, other.worker_peak),
            max(self.driver_peak, other.driver_peak),
            {**self.configured, **other.configured},
        )

    def to_json(self) -> dict[str, Any]:
        """Give the figures for run.json."""
        return {
            "films": self.films,
            "seconds": round(self.seconds, 2),
            "stages": {name: round(seconds, 3) for name, seconds in self.stages.items()},
            "worker_peak_mb": self.worker_peak // MB,
            "driver_peak_mb": self.driver_peak // MB,
            "configured": dict(self.configured),
        }

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """Say what a film took and how much memory a worker, as far as it is known."""
        found = list[tuple[str, str]]()
        if self.films and self.stages:
            each = (
                f"{name} {1000 * spent / self.films:.1f}" for name, spent in self.stages.items()
            )
            found.append(("Milliseconds a film", ", ".join(each)))
        if self.worker_peak:
            found.append(("Memory", self._memory()))
        return tuple(found)

    def _memory(self) -> str:
        driver, executor, beside = (self.configured.get(name, "") for name in CONFIGURED)
        words = f"workers up to {self.worker_peak // MB:,} MB each"
        if beside:
            words += f" (executors have {executor or '1g'} and {beside} beside)"
        if self.driver_peak:
            words += f", driver {self.driver_peak // MB:,} MB ({driver or '1g'} of heap allowed)"
        return words

    def advice(self, threads: int) -> str:
        """Say how many more cores a GPU would have to be fed by, beside these; empty: by none."""
        fed = ("reading", "decoding", "fingerprints", "resizing")
        spent = sum(self.stages.get(name, 0.0) for name in fed)
        return advice(
            spent, self.stages.get("network", 0.0), self.stages.get("waiting", 0.0), threads
        )

    @property
    def lines(self) -> list[str]:
        """Give the same as lines for the console."""
        return [f"{name.lower()}: {words}" for name, words in self.facts]


def driver_peak(spark: SparkSession) -> int:
    """Read the most memory that the driver's JVM has had; 0 where it is not beside this process.

    It is the parent of this process, or its child: spark-submit starts Python, PySpark starts Java.
    """
    if is_connect(spark):
        return 0
    near = [str(os.getppid()), *_children()]
    return max((peak_of(process) for process in near if _is_java(process)), default=0)


def _children() -> list[str]:
    found = list[str]()
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += task.read_text().split()
    return found


def _is_java(process: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/comm").read_text().strip() == "java"
    return False


def configured(spark: SparkSession) -> dict[str, str]:
    """Say what memory Spark was given, where it was said."""
    found = {name: spark.conf.get(name, "") or "" for name in CONFIGURED}
    return {name: value for name, value in found.items() if value}
