"""Networks on a CPU, by OpenVINO: no TensorFlow, a few hundred megabytes a worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import packing
from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.backbones.network import Network, read
from spark_cxr.backbones.openvino_runtime import import_openvino
from spark_cxr.errors import ConfigError, SetupError

MOST_AT_ONCE = 8
"""Films a step. ResNet50 in bf16 takes 12.2, 10.9, 9.6, 8.8, 9.0, 10.4 CPU milliseconds a film with
1, 2, 4, 8, 16, 32 at once (Xeon with AMX); an EPYC without it does not care between 4 and 16."""
FEW = 0.7
"""Share of a step up to which its films are faster one by one: ResNet50 in bf16 takes 59 ms for a
step of 8, however many are wanted, and 10.2 ms for one film (two threads, Xeon with AMX)."""


@dataclass(frozen=True)
class OpenVinoEngine:
    """A compiled network and the one request that runs through it."""

    request: Any
    dim: int
    used: Used
    constants: NDArray[np.uint8]
    """The mapped file: OpenVINO reads from it for as long as the network lives."""
    single: Any = None
    """The same network for one film at a time, where a few films must not wait for a full step."""
    turn: Lock = field(default_factory=Lock)
    """A request serves one caller at a time; the page that serves films has many."""

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the films in steps; the last step is filled up with what comes out and is dropped.

        A step is always of as many films: a number that may change costs 8 % of the speed. Alone or
        in a step, a film has the same bits (ResNet50 in bf16 and f32: equal for steps 1, 2, 4, 8).
        """
        vectors, step = np.empty((len(batch), self.dim), np.float32), self.used.batch_size
        start = 0
        while start < len(batch):
            is_few = self.single is not None and len(batch) - start <= step * FEW
            request, size = (self.single, 1) if is_few else (self.request, step)
            films = batch[start : start + size]
            count = len(films)
            if count < size:
                films = np.concatenate([films, np.repeat(films[-1:], size - count, axis=0)])
            with self.turn:
                request.infer([films], share_inputs=True)
                vectors[start : start + count] = request.get_output_tensor().data[:count]
            start += count
        return vectors


def load(plan: Plan) -> OpenVinoEngine:
    """Compile a network's file for this processor."""
    if plan.device.startswith("gpu"):
        raise ConfigError("an engine that runs on a GPU", "openvino", "Say --engine keras")
    path = Path(plan.network)
    network, core = read(path), import_openvino().Core()
    precision = _precision(plan.precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    constants = packing.map_constants(path)
    step = min(plan.batch_size, MOST_AT_ONCE)
    used = Used("openvino", f"cpu ({_processor(core)})", precision, plan.threads, step)
    request = _compile(core, network, constants, used).create_infer_request()
    single = None
    if plan.single and step > 1:
        alone = replace(used, batch_size=1)
        single = _compile(core, network, constants, alone).create_infer_request()
    return OpenVinoEngine(request, network.dim, used, constants, single)


def _compile(core: Any, network: Network, constants: NDArray[np.uint8], used: Used) -> Any:
    graph = packing.read_member(Path(network.path), packing.GRAPH)
    shared = import_openvino().Tensor(constants, shared_memory=True)
    model = core.read_model(graph, shared)
    model.reshape([used.batch_size, *network.size_hw, 3])
    settings = {
        "INFERENCE_PRECISION_HINT": used.precision,
        "INFERENCE_NUM_THREADS": used.threads,
        "NUM_STREAMS": 1,
        # Each worker would pin itself to the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(model, "CPU", settings)


def _precision(wanted: str, capabilities: list[str]) -> str:
    has_bf16 = "BF16" in capabilities
    if wanted == "auto":
        return "bf16" if has_bf16 else "f32"
    if wanted == "f16":
        raise ConfigError("precision auto, f32 or bf16 on a CPU", "f16", "f16 is for GPUs")
    if wanted == "bf16" and not has_bf16:
        received = f"one with {', '.join(capabilities)}"
        raise SetupError("a processor that computes in bf16", received, "Say --precision auto")
    return wanted


def _processor(core: Any) -> str:
    return str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
