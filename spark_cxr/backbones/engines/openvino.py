"""Networks on a CPU, by OpenVINO: no TensorFlow, a few hundred megabytes a worker.

The last maps, which the global pooling takes the mean of, are found in the graph and not written
into the network's file: files and model directories that were made before stay as they are, and a
graph without the second output is compiled as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.engines.devices import adds_int8
from spark_cxr.backbones.engines.plan import INT8, Mapped, Plan, Used
from spark_cxr.backbones.network import GRAPH, map_constants, read_member
from spark_cxr.backbones.openvino_package import import_openvino
from spark_cxr.errors import ConfigError, SetupError, WeightsError
from spark_cxr.images.prepare import to_channels

MOST_AT_ONCE = 8
"""Films a step. ResNet50 in bf16 takes 12.2, 10.9, 9.6, 8.8, 9.0, 10.4 CPU milliseconds a film with
1, 2, 4, 8, 16, 32 at once (Xeon with AMX); an EPYC without it does not care between 4 and 16."""
FEW = 0.7
"""Share of a step up to which its films are faster one by one: ResNet50 in bf16 takes 59 ms for a
step of 8, however many are wanted, and 10.2 ms for one film (two threads, Xeon with AMX)."""
_PASSES_ON = ("Convert", "Reshape", "Squeeze")
"""Operations between the pooling and the output that change no number."""
_CHANNELS_FIRST = (2, 3)
_CHANNELS_LAST = (1, 2)


@dataclass(frozen=True)
class OpenVinoEngine:
    """A compiled network and the one request that runs through it."""

    request: Any
    dim: int
    used: Used
    constants: NDArray[np.uint8]
    """The mapped file: OpenVINO reads from it for as long as the network lives."""
    single: OpenVinoEngine | None = None
    """The same network for one film at a time, where a few films must not wait for a full step.
    Kept whole: its request reads from constants of its own."""
    turn: Lock = field(default_factory=Lock)
    """A request serves one caller at a time; the page that serves films has many."""

    @property
    def channels(self) -> int:
        """Give what the network takes of a film: 3, or 1 of grey."""
        return int(self.request.get_input_tensor().shape[3])

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the films in steps; the last step is filled up with what comes out and is dropped.

        A step is always of as many films: a number that may change costs 8 % of the speed. Alone or
        in a step, a film has the same bits (ResNet50 in bf16 and f32: equal for steps 1, 2, 4, 8).
        """
        vectors = np.empty((len(batch), self.dim), np.float32)
        for rows, count, request in self._run(batch):
            vectors[rows] = request.get_output_tensor(0).data[:count]
        return vectors

    def maps(self, batch: NDArray[np.uint8]) -> Mapped:
        """Run the films as `features` does, and take the maps from the second output."""
        vectors = np.empty((len(batch), self.dim), np.float32)
        maps = np.empty((len(batch), *self.request.get_output_tensor(1).shape[1:]), np.float32)
        for rows, count, request in self._run(batch):
            vectors[rows] = request.get_output_tensor(0).data[:count]
            maps[rows] = request.get_output_tensor(1).data[:count]
        return Mapped(vectors, maps)

    @property
    def mapper(self) -> OpenVinoEngine | None:
        """Give the network itself where it was compiled with its maps."""
        return self if len(self.request.model_outputs) > 1 else None

    def _run(self, batch: NDArray[np.uint8]) -> Iterator[tuple[slice, int, Any]]:
        """Run step after step: its rows, how many count, and the request that has the answers."""
        few, kind = FEW if self.single else 0.0, self.request.get_input_tensor().data.dtype
        taken = to_channels(batch, self.channels).astype(kind, copy=False)
        for start, count, films in _steps(taken, self.used.batch_size, few):
            alone = self.single if len(films) == 1 else None
            request = alone.request if alone else self.request
            with self.turn:
                request.infer([films], share_inputs=True)
                yield slice(start, start + count), count, request


def _steps(
    batch: NDArray[np.uint8], step: int, few: float
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Give where each step begins, how many of its films count, and its films.

    Up to a share `few` of a step go one by one.
    """
    start = 0
    while start < len(batch):
        size = 1 if len(batch) - start <= step * few else step
        films = batch[start : start + size]
        count = len(films)
        if count < size:
            films = np.concatenate([films, np.repeat(films[-1:], size - count, axis=0)])
        yield start, count, films
        start += count


@dataclass(frozen=True)
class _Graph:
    """A network that is read and not compiled yet."""

    core: Any
    model: Any
    dim: int
    used: Used
    constants: NDArray[np.uint8]


def load(plan: Plan) -> OpenVinoEngine:
    """Compile a network's file for this processor; for who serves, with its maps where it has any.

    The second output costs a copy and leaves the vectors as they are, to the last bit.
    """
    if not plan.single:
        return _compile(_read(plan))
    engine = _with_maps(plan)
    if engine.used.batch_size == 1:
        return engine
    return replace(engine, single=_with_maps(replace(plan, batch_size=1)))


def _with_maps(plan: Plan) -> OpenVinoEngine:
    graph = _read(plan)
    add_maps(graph.model)
    return _compile(graph)


def load_mapper(plan: Plan) -> OpenVinoEngine | None:
    """Compile the same file with its last maps as a second output; None where it has none."""
    graph = _read(plan)
    return _compile(graph) if add_maps(graph.model) else None


def _read(plan: Plan) -> _Graph:
    if plan.device.startswith("gpu"):
        raise ConfigError("an engine that runs on a GPU", "openvino", "Say --engine keras")
    network, path = plan.network, Path(plan.network.path)
    core = import_openvino().Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precision = _int8(plan) or _precision(plan.precision, capabilities)
    constants, graph = _members(path)
    processor = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
    step = min(plan.at_once, MOST_AT_ONCE)
    shared = import_openvino().Tensor(constants, shared_memory=True)
    try:
        model = core.read_model(graph, shared)
        channels = model.input(0).get_partial_shape()[3].get_length()
        step = _reshaped(model, [step, *network.size_hw, channels])
    except RuntimeError as error:
        raise _damaged(path, str(error).strip().splitlines()[-1]) from None
    used = Used("openvino", f"cpu ({processor})", precision, plan.threads, step)
    return _Graph(core, model, network.dim, used, constants)


def _reshaped(model: Any, shape: list[int]) -> int:
    """Make a graph take so many films a step; one at a time where it was saved for one."""
    try:
        model.reshape(shape)
        fits = model.output(0).get_partial_shape()[0] == shape[0]
    except RuntimeError:
        fits = False
    if not fits:
        model.reshape([1, *shape[1:]])
    return shape[0] if fits else 1


def _members(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Give constants and graph of a network's file."""
    try:
        return map_constants(path), read_member(path, GRAPH)
    except Exception as error:  # noqa: BLE001 - zipfile and zlib raise anything at all
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, why: str) -> WeightsError:
    return WeightsError("a network that OpenVINO reads", f"{path} ({why[:200]})", "Train again")


def _compile(graph: _Graph) -> OpenVinoEngine:
    settings = {
        # What int8 leaves over is computed in f32 on every processor, so that vectors are the same.
        "INFERENCE_PRECISION_HINT": "f32" if graph.used.precision == INT8 else graph.used.precision,
        "INFERENCE_NUM_THREADS": graph.used.threads,
        "NUM_STREAMS": 1,
        # Each worker would pin itself to the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = graph.core.compile_model(graph.model, "CPU", settings)
    request = compiled.create_infer_request()
    return OpenVinoEngine(request, graph.dim, graph.used, graph.constants)


def _int8(plan: Plan) -> str:
    """Say int8 where the network's file is for that and the processor adds it up rightly."""
    is_int8 = plan.network.quantisation is not None
    if is_int8 != (plan.precision == INT8) and (plan.precision != "auto" or not is_int8):
        received = f"{Path(plan.network.path).name} for {plan.precision}"
        way_out = "Calibrate it: --precision int8"
        raise ConfigError("a network's file of int8 for int8, and no other", received, way_out)
    if is_int8 and not adds_int8():
        way_out = "Say --precision auto, or train again in it"
        received = "one without: products of int8 would overflow"
        raise SetupError("a processor with VNNI for int8", received, way_out)
    return INT8 if is_int8 else ""


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


def add_maps(model: Any) -> bool:
    """Give a graph of one output its last maps, channels first, as a second; False: it has none."""
    pooling = _pooling(model)
    if pooling is None:
        return False
    maps = pooling.input_value(0)
    if _axes(pooling) == _CHANNELS_LAST:
        ops = import_openvino().opset13
        maps = ops.transpose(maps, ops.constant([0, 3, 1, 2])).output(0)
    model.add_outputs(maps)
    model.validate_nodes_and_infer_types()
    return True


def _pooling(model: Any) -> Any | None:
    """Find the mean over height and width that the output is; None where it is none."""
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_type_name() in _PASSES_ON:
        node = node.input_value(0).get_node()
    is_mean = node.get_type_name() == "ReduceMean" and len(node.get_input_partial_shape(0)) == 4
    if is_mean and _axes(node) in (_CHANNELS_FIRST, _CHANNELS_LAST):
        return node
    return None


def _axes(pooling: Any) -> tuple[int, ...]:
    axes = pooling.input_value(1).get_node().get_data()
    return tuple(sorted(int(axis) % 4 for axis in axes.ravel()))
