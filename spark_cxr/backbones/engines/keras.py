"""Networks on a GPU, or on a CPU, by Keras on whichever backend is installed."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.engines.batch_size import MOST, find_batch_size
from spark_cxr.backbones.engines.devices import claim
from spark_cxr.backbones.engines.halving import Halving, Run, is_out_of_memory
from spark_cxr.backbones.engines.plan import AT_ONCE, INT8, Mapped, Plan, Used
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import compose, compose_with_maps, in_policy, last_maps
from spark_cxr.backbones.keras_model import load as load_file
from spark_cxr.backbones.network import KERAS, read_member
from spark_cxr.errors import ConfigError
from spark_cxr.images.prepare import to_channels

LOG = logging.getLogger(__name__)

_POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}


@dataclass(frozen=True)
class KerasEngine:
    """A compiled Keras model on one device."""

    model: Any
    halving: Halving
    device: str
    backend: str
    precision: str
    threads: int

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the films, in smaller batches when the device runs out of memory."""
        if not len(batch):
            return np.empty((0, int(self.model.output_shape[-1])), np.float32)
        return self.halving.features(to_channels(batch, self.model.input_shape[-1]))

    @property
    def mapper(self) -> None:
        """Give none: maps come from a second function over the same weights."""
        return None

    @property
    def used(self) -> Used:
        """Say on what it runs; the batch size is the one that memory allowed."""
        device = f"{self.device} ({self.backend})"
        return Used("keras", device, self.precision, self.threads, self.halving.limit)


@dataclass(frozen=True)
class KerasMapper:
    """The same network, its answers followed by the maps behind them."""

    engine: KerasEngine
    maps_hwc: tuple[int, int, int]

    def maps(self, batch: NDArray[np.uint8]) -> Mapped:
        """Run the films; what comes out is one row a film, its vector and then its maps."""
        height, width, dim = self.maps_hwc
        rows = self.engine.features(batch)
        maps = rows[:, dim:].reshape(-1, height, width, dim).transpose(0, 3, 1, 2)
        return Mapped(rows[:, :dim], maps)


def load(plan: Plan) -> KerasEngine:
    """Build the network from its file on the device that the plan names."""
    return _load(plan, compose)


def load_mapper(plan: Plan) -> KerasMapper | None:
    """Build the same with its last maps behind each vector; None where it has none."""
    if plan.network.pooling != "avg":
        return None
    device, precision = _place(plan)
    with import_keras().device(device):
        maps = last_maps(_saved(plan, precision))
    if maps is None:
        return None
    height, width, dim = (int(side) for side in maps.shape[1:])
    return KerasMapper(
        _load(replace(plan, batch_size=plan.at_once), compose_with_maps), (height, width, dim)
    )


def _load(plan: Plan, composing: Callable[[Any, str, str], Any]) -> KerasEngine:
    keras = import_keras()
    device, precision = _place(plan)
    with keras.device(device):
        network = plan.network
        model = composing(_saved(plan, precision), network.normalising, network.pooling)
    backend = keras.backend.backend()
    run = compiled(model, jit=is_jit(backend, device), place=lambda: keras.device(device))
    size = plan.batch_size
    if not size:
        size = _fastest(run, model.input_shape[1:]) if device.startswith("gpu") else AT_ONCE
    return KerasEngine(model, Halving(run, size), device, backend, precision, plan.threads)


def is_jit(backend: str, device: str) -> bool:
    """Say where Keras must be told to compile: it runs JAX and PyTorch layer by layer else.

    TensorFlow makes a graph by itself. On a CPU PyTorch wants a C++ compiler, which few hosts have.
    """
    return backend == "jax" or (backend == "torch" and device.startswith("gpu"))


def compiled(model: Any, *, jit: bool, place: Callable[[], AbstractContextManager[Any]]) -> Run:
    """Make the function that runs a model, compiled; as it is where the compiler fails."""
    model.compile(jit_compile=jit)
    is_open = jit

    def predict(films: NDArray[np.uint8]) -> NDArray[np.float32]:
        with place():
            return np.asarray(model.predict_on_batch(films), np.float32)

    def run(films: NDArray[np.uint8]) -> NDArray[np.float32]:
        nonlocal is_open
        try:
            return predict(films)
        except Exception as error:
            if not is_open or is_out_of_memory(error):
                raise
            LOG.warning("keras: not compiled, so slower: %s", str(error).strip()[:200])
        is_open = False
        model.compile(jit_compile=False)
        return predict(films)

    return run


def _fastest(run: Run, shape: tuple[int, ...]) -> int:
    """Find how many films at once this GPU is fastest with; once for each network of a worker."""
    films = np.zeros((MOST, *shape), np.uint8)

    def seconds(size: int) -> float:
        started = time.perf_counter()
        run(films[:size])
        return time.perf_counter() - started

    found = find_batch_size(seconds, is_out_of_memory)
    why = "twice as many do not fit" if found.is_memory_full else "more are not faster"
    LOG.info(f"keras: {found.size} films at once, {found.films_per_second:,.0f} films/s; {why}")
    return found.size


def _place(plan: Plan) -> tuple[str, str]:
    """Claim the device, and say in which precision it computes."""
    device = claim(import_keras().backend.backend(), plan.device, plan.threads)
    return device, _precision(plan.precision, device)


def _precision(wanted: str, device: str) -> str:
    on_gpu = device.startswith("gpu")
    if wanted == "auto":
        return "f16" if on_gpu else "f32"
    if wanted == INT8:
        raise ConfigError("OpenVINO on a CPU for int8", "keras", "Say --precision auto")
    if wanted == "f16" and not on_gpu:
        raise ConfigError("precision auto, f32 or bf16 on a CPU", "f16", "f16 is for GPUs")
    return wanted


@lru_cache(maxsize=1)
def _saved(plan: Plan, precision: str) -> Any:
    """Load a network's layers once for all that is composed of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / KERAS
        file.write_bytes(read_member(Path(plan.network.path), KERAS))
        model = load_file(str(file))
    return model if precision == "f32" else in_policy(model, _POLICIES[precision])
