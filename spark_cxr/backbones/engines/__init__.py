"""What runs a network: one file an engine, with one method, and one line here."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.devices import check_device, gpu_present
from spark_cxr.backbones.engines.plan import INT8, Mapped, Plan, Used
from spark_cxr.errors import ConfigError, SetupError, nearest

ENGINES = {
    "fake": "spark_cxr.backbones.engines.fake",
    "openvino": "spark_cxr.backbones.engines.openvino",
    "keras": "spark_cxr.backbones.engines.keras",
    "onnxruntime": "spark_cxr.backbones.engines.onnx",
}
"""Modules, imported by whoever runs them: each has `load(plan) -> Engine`, and
`load_mapper(plan) -> Mapper | None`."""


class Engine(Protocol):
    """A network that is ready to run."""

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn films (n, height, width, 3) into vectors (n, dim)."""
        ...

    @property
    def used(self) -> Used:
        """Say on what it runs, in truth."""
        ...

    @property
    def mapper(self) -> Mapper | None:
        """Give its maps too, without loading anything; None where it was not loaded for that."""
        ...


class Mapper(Protocol):
    """A network that also gives up its last maps, those that its vector is the mean of."""

    def maps(self, batch: NDArray[np.uint8]) -> Mapped:
        """Turn films (n, height, width, 3) into vectors and the maps behind them, in one pass."""
        ...


def names() -> tuple[str, ...]:
    """Give the names of all engines."""
    return tuple(ENGINES)


def choose(engine: str, backbone: str, device: str = "auto", precision: str = "auto") -> str:
    """Resolve `auto`, and refuse an engine that does not run this network on this device."""
    able = own.engines_of(backbone)
    wants_gpu = check_device(device).startswith("gpu")
    if precision == INT8:
        return _for_int8(engine, able, wants_gpu)
    if engine == "auto":
        return _automatic(able, wants_gpu or (device == "auto" and gpu_present()))
    if engine not in able:
        raise ConfigError(f"an engine that runs {backbone}", engine, nearest(engine, able))
    if wants_gpu and engine == "openvino":
        others = tuple(name for name in able if name != "openvino")
        way_out = f"Say --engine {others[0]}" if others else "Leave --device out"
        raise ConfigError("an engine that runs on a GPU", engine, way_out)
    return engine


def _for_int8(engine: str, able: tuple[str, ...], wants_gpu: bool) -> str:
    if wants_gpu or engine not in ("auto", "openvino") or "openvino" not in able:
        received = "a GPU" if wants_gpu else engine if engine != "auto" else able[0]
        raise ConfigError("OpenVINO on a CPU for int8", received, "Say --precision auto")
    return "openvino"


def _automatic(able: tuple[str, ...], on_gpu: bool) -> str:
    on_gpus = tuple(name for name in able if name != "openvino")
    wanted = on_gpus if on_gpu and on_gpus else able
    for name in wanted:
        if name == "fake" or find_spec(name) is not None:
            return name
    extra = "gpu" if on_gpu else "cpu"
    expected = f"a package that runs networks: {' or '.join(wanted)}"
    raise SetupError(expected, "none installed", f"pip install 'spark-cxr[{extra}]'")


@lru_cache(maxsize=3)
def load(plan: Plan) -> Engine:
    """Load a network once for each Python worker; it stays for later tasks and queries."""
    loaded: Engine = import_module(ENGINES[plan.engine]).load(plan)
    return loaded


@lru_cache(maxsize=2)
def load_mapper(plan: Plan) -> Mapper | None:
    """Load a network with its maps as a second output; None where its vector is no mean of maps.

    Apart from `load`: who wants vectors alone does not pay for maps. Who serves wants both, of one
    network.
    """
    if plan.single and (shared := load(plan).mapper) is not None:
        return shared
    mapper: Mapper | None = import_module(ENGINES[plan.engine]).load_mapper(plan)
    return mapper
