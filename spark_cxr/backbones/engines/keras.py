"""Networks on a GPU, or on a CPU, by Keras on whichever backend is installed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.engines.devices import claim
from spark_cxr.backbones.engines.plan import INT8, Mapped, Plan, Used
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import compose, compose_with_maps, in_policy, last_maps
from spark_cxr.backbones.keras_model import load as load_file
from spark_cxr.backbones.network import KERAS, read_member
from spark_cxr.errors import ConfigError
from spark_cxr.images.prepare import to_channels

_POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16", "f16": "mixed_float16"}
Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_WORDS = ("resource_exhausted", "out of memory", "resourceexhausted", "outofmemory")


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
    return KerasMapper(_load(plan, compose_with_maps), (height, width, dim))


def _load(plan: Plan, composing: Callable[[Any, str, str], Any]) -> KerasEngine:
    keras = import_keras()
    device, precision = _place(plan)
    with keras.device(device):
        network = plan.network
        model = composing(_saved(plan, precision), network.normalising, network.pooling)
        model.compile(jit_compile=False)

    def run(films: NDArray[np.uint8]) -> NDArray[np.float32]:
        with keras.device(device):
            # Compiled by the backend itself: tf.function, jit or inference mode.
            return np.asarray(model.predict_on_batch(films), np.float32)

    halving = Halving(run, plan.batch_size)
    return KerasEngine(model, halving, device, keras.backend.backend(), precision, plan.threads)


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


@dataclass
class Halving:
    """Runs batches, in parts where one is too large for the device."""

    run: Run
    limit: int
    """Films at once; halved each time the device has no more room."""

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run all films of a batch, whatever its size."""
        vectors, start = list[NDArray[np.float32]](), 0
        while start < len(batch):
            films = batch[start : start + self.limit]
            try:
                vectors.append(self.run(_padded(films, self.limit))[: len(films)])
            except Exception as error:
                if self.limit == 1 or not is_out_of_memory(error):
                    raise
                self.limit = max(1, self.limit // 2)
            else:
                start += len(films)
        return np.concatenate(vectors)


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise a device without room by TensorFlow's, JAX' and PyTorch's names for it."""
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(word in text for word in _WORDS)


def _padded(films: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    """Fill up to the next power of two: each new size would be compiled anew."""
    size = min(limit, 1 << (len(films) - 1).bit_length())
    if size == len(films):
        return films
    return np.concatenate([films, np.repeat(films[-1:], size - len(films), axis=0)])
