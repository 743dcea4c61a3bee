"""What runs a network: one file an engine, with one method, and one line here."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest

ENGINES = {"fake": "spark_cxr.backbones.engines.fake"}
"""Modules, imported by whoever runs them: each has `load(backbone) -> Engine`."""


class Engine(Protocol):
    """A network that is ready to run."""

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn films (n, height, width, 3) into vectors (n, dim)."""
        ...


def names() -> tuple[str, ...]:
    """Give the names of all engines."""
    return tuple(ENGINES)


def choose(engine: str, backbone: str) -> str:
    """Resolve `auto`, and refuse an engine that does not run this network."""
    able = catalog.get(backbone).engines
    if engine == "auto":
        return able[0]
    if engine not in able:
        raise ConfigError(f"an engine that runs {backbone}", engine, nearest(engine, able))
    return engine


@lru_cache(maxsize=3)
def load(engine: str, backbone: str) -> Engine:
    """Load a network once for each Python worker; it stays for later tasks and queries."""
    loaded: Engine = import_module(ENGINES[engine]).load(catalog.get(backbone))
    return loaded
