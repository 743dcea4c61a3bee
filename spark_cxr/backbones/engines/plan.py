"""How a network is to be run on a host, and how it then really ran."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.network import Network, key

INT8 = "int8"
PRECISIONS = ("auto", "f32", "bf16", "f16", INT8)


AT_ONCE = 32
"""Films at once where nobody says otherwise."""


@dataclass(frozen=True)
class Plan:
    """All that decides what a worker loads: equal plans share one loaded network."""

    network: Network
    threads: int = 1
    """For the engine, and as many again that decode; Spark gives a task spark.task.cpus."""
    precision: str = "auto"
    device: str = "auto"
    """auto, cpu, gpu, or gpu:N for the GPU that Spark gave to the task."""
    batch_size: int = AT_ONCE
    """Films at once; 0: as many as are fastest, which an engine on a GPU finds out."""
    single: bool = False
    """Also be quick with one film, and have maps at hand, as who serves needs it, for a little more
    time and memory."""

    @property
    def engine(self) -> str:
        """Name what runs the network."""
        return self.network.engine

    @property
    def at_once(self) -> int:
        """Give the batch size of what is not measured first: maps, and all on a CPU."""
        return self.batch_size or AT_ONCE

    def key(self, used: Used) -> str:
        """Name the features: vectors of one key can be mixed, of two keys not."""
        return f"{self.network.backbone}-{key(self.network)[:16]}-{used.precision}"


def batch_size_for(wanted: int, engine: str, device: str) -> int:
    """Leave the size open (0) where nobody asked for another and a GPU may run the network."""
    is_open = wanted == AT_ONCE and engine == "keras" and device != "cpu"
    return 0 if is_open else wanted


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
