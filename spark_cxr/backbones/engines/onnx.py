"""A user's ONNX file as it is, by ONNX Runtime: on a GPU through CUDA, or on a CPU where asked for.

What its card says of grey levels and of the output is done here, before and behind the graph, with
the same arithmetic that OpenVINO gets folded into its own (`graph_file.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.card import Card
from spark_cxr.backbones.engines.devices import gpu_present
from spark_cxr.backbones.engines.halving import Halving
from spark_cxr.backbones.engines.plan import Mapped, Plan, Used
from spark_cxr.backbones.graph_file import levels_of
from spark_cxr.backbones.network import ONNX, read_member
from spark_cxr.errors import ConfigError, SetupError, WeightsError
from spark_cxr.images.prepare import to_channels

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
GRAPH, OUTPUT, NAME = 7, 12, 1
"""Numbers of fields of ONNX: the graph of a model, the outputs of a graph, the name of a value."""
Array = NDArray[np.float32]


@dataclass(frozen=True)
class OnnxEngine:
    """A session of ONNX Runtime on one device."""

    session: Any
    card: Card
    dim: int
    device: str
    threads: int
    halving: Halving

    def features(self, batch: NDArray[np.uint8]) -> Array:
        """Run the films, in smaller batches when the device runs out of memory."""
        if not len(batch):
            return np.empty((0, self.dim), np.float32)
        return self.halving.features(batch)

    @property
    def mapper(self) -> OnnxMapper | None:
        """Give the same session where its vector is the mean of maps."""
        name = _maps_name(self.session, self.card)
        return OnnxMapper(self, name) if name else None

    @property
    def used(self) -> Used:
        """Say on what it runs."""
        return Used("onnxruntime", self.device, "f32", self.threads, self.halving.limit)


@dataclass(frozen=True)
class OnnxMapper:
    """The same network with the maps that its vector is the mean of."""

    engine: OnnxEngine
    name: str
    """Of the tensor that has them."""

    def maps(self, batch: NDArray[np.uint8]) -> Mapped:
        """Run the films and pool here what the graph gives."""
        card = self.engine.card
        maps = _maps(_run(self.engine.session, card, self.name, batch), card)
        return Mapped(maps.mean(axis=(2, 3), dtype=np.float64).astype(np.float32), maps)


def load(plan: Plan) -> OnnxEngine:
    """Open the file on the device that the plan names."""
    onnxruntime, path = import_onnxruntime(), Path(plan.network.path)
    card = plan.network.card
    if card is None or plan.precision not in ("auto", "f32"):
        received = plan.precision if card else "no card"
        raise ConfigError("precision auto or f32 for ONNX Runtime", received, "Say --precision f32")
    on_gpu = plan.device.startswith("gpu") or (plan.device == "auto" and gpu_present())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = plan.threads, 1
    options.log_severity_level = 3
    try:
        session = _opened(read_member(path, ONNX), card.vector, options, _providers(plan, on_gpu))
    # ONNX Runtime throws what its readers throw.
    except Exception as error:  # noqa: BLE001
        received = f"{path.name} ({str(error).strip().splitlines()[0][:200]})"
        raise WeightsError("a graph that ONNX Runtime reads", received, "Train again") from None
    device = "cpu"
    if on_gpu:
        if CUDA not in session.get_providers():
            received, way_out = "ONNX Runtime without it", "pip install onnxruntime-gpu"
            raise SetupError("ONNX Runtime with CUDA on this GPU", received, way_out)
        device = plan.device if plan.device.startswith("gpu:") else "gpu:0"
    fixed = session.get_inputs()[0].shape[0]
    size = fixed if isinstance(fixed, int) else plan.at_once
    halving = Halving(partial(_vectors, session, card), size)
    return OnnxEngine(session, card, plan.network.dim, device, plan.threads, halving)


def load_mapper(plan: Plan) -> OnnxMapper | None:
    """Give the network with its maps; None where its vector is no mean of maps."""
    return load(plan).mapper


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, which tells nobody of it."""
    try:
        import onnxruntime
    except ImportError as error:
        way_out = "pip install 'spark-cxr[onnx]', or onnxruntime-gpu"
        raise SetupError("ONNX Runtime", str(error), way_out) from None
    return onnxruntime


def _providers(plan: Plan, on_gpu: bool) -> list[Any]:
    if not on_gpu:
        return [CPU]
    number = plan.device.partition(":")[2] or "0"
    return [(CUDA, {"device_id": number}), CPU]


def _opened(data: bytes, vector: str, options: Any, providers: list[Any]) -> Any:
    """Open a session that gives the tensor of the vector, also one within the graph."""
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(data, options, providers=providers)
    if vector in (each.name for each in session.get_outputs()):
        return session
    # Two messages of protobuf behind each other are one, whose repeated fields are joined.
    output = _field(OUTPUT, _field(NAME, vector.encode()))
    more = data + _field(GRAPH, output)
    return onnxruntime.InferenceSession(more, options, providers=providers)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _run(session: Any, card: Card, name: str, batch: NDArray[np.uint8]) -> Array:
    """Give what comes out of the graph."""
    films = to_channels(batch, card.channels).astype(np.float32)
    if card.order == "bgr":
        films = films[..., ::-1]
    centre, width = (np.asarray(side, np.float32) for side in levels_of(card))
    films = (films - centre) / width
    if card.layout == "nchw":
        films = np.ascontiguousarray(films.transpose(0, 3, 1, 2))
    (found,) = session.run([name], {session.get_inputs()[0].name: films})
    return np.asarray(found, np.float32)


def _vectors(session: Any, card: Card, batch: NDArray[np.uint8]) -> Array:
    """Turn maps or tokens into (films, numbers)."""
    found = _run(session, card, card.vector, batch)
    if found.ndim == 2:
        return found
    if card.pooling == "class":
        return found[:, 0]
    if card.pooling == "none":
        return found.reshape(len(found), -1)
    maps = _maps(found, card)
    pooled: Array = maps.max(axis=(2, 3)) if card.pooling == "max" else maps.mean(axis=(2, 3))
    return pooled


def _maps(found: Array, card: Card) -> Array:
    """Lay maps or the tokens of patches out as (films, features, height, width)."""
    if found.ndim == 4:
        return found.transpose(0, 3, 1, 2) if card.layout == "nhwc" else found
    tokens = found.shape[1]
    prefix, side = card.patches_of(tokens)
    high, wide = (side, side) if side else (tokens - prefix, 1)
    patches = found[:, prefix:].reshape(len(found), high, wide, -1)
    return np.ascontiguousarray(patches.transpose(0, 3, 1, 2))


def _maps_name(session: Any, card: Card) -> str:
    """Name the output whose mean the vector is; empty: none is known to be."""
    ranks = {each.name: len(each.shape) for each in session.get_outputs()}
    if card.maps in ranks:
        return card.maps
    is_mean = card.pooling in ("", "avg", "tokens")
    return card.vector if is_mean and ranks.get(card.vector, 0) > 2 else ""
