"""What an engine is asked for, and what it then really used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRECISIONS = ("auto", "f32", "bf16", "f16")


@dataclass(frozen=True)
class Plan:
    """All that decides what a worker loads: equal plans share one loaded network."""

    engine: str
    backbone: str
    network: str = ""
    """The network's file on this host; empty for the fake."""
    threads: int = 1
    """As many as Spark gives a task: spark.task.cpus."""
    precision: str = "auto"
    device: str = "auto"
    """auto, cpu, gpu, or gpu:N for the GPU that Spark gave to the task."""
    batch_size: int = 32
    single: bool = False
    """Also be quick with one film, and have maps at hand, as who serves needs it, for a little more
    time and memory."""


@dataclass(frozen=True)
class Used:
    """What runs, in words for run.json and the log."""

    engine: str
    device: str
    precision: str
    threads: int
    batch_size: int
    """Films that go through the network at once."""


@dataclass(frozen=True)
class Mapped:
    """What a network saw, and where: each vector is the mean of its maps."""

    vectors: NDArray[np.float32]
    """(films, features)"""
    maps: NDArray[np.float32]
    """(films, features, height, width)"""
