"""A network that comes as a bare graph, ONNX or OpenVINO's own: read, checked by its card, closed.

Closed means: from films of 8 bits, as they are decoded, to the vector. What the card says of grey
levels goes before the graph, what it says of the output behind it, so that whoever runs it later
needs neither. A graph is read by OpenVINO and never run before it was checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spark_cxr.backbones.cache import digest
from spark_cxr.backbones.card import READERS, Card
from spark_cxr.backbones.onnx_weights import external_names
from spark_cxr.backbones.openvino_package import import_openvino
from spark_cxr.errors import WeightsError

VECTORS = ("vector", "features", "embedding", "embeddings", "image_embeds", "pooler_output")
"""What an output is called that is the vector, where there are several."""
WAY_OUT = "See docs/networks.md"
MOST_GRAPH = (1 << 31) - 1
"""Bytes of one message of protobuf."""


def digest_of(path: Path) -> str:
    """Identify a network by its file and by those that it keeps weights in.

    Raises:
        WeightsError: one of them is missing, or lies elsewhere than beside it.
    """
    try:
        parts = [_digest_now(each) for each in (path, *weights_beside(path))]
    except WeightsError:
        raise  # an OSError, too
    except OSError as error:
        received = f"{path} ({error})"[:300]
        raise WeightsError("a network that can be read", received, WAY_OUT) from None
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _digest_now(path: Path) -> str:
    """Digest a file once for as long as nobody writes to it: a run asks several times."""
    there = path.stat()
    return _remembered_digest(path, there.st_mtime_ns, there.st_size)


@lru_cache(maxsize=8)
def _remembered_digest(path: Path, modified_ns: int, size: int) -> str:
    del modified_ns, size  # part of the key
    return digest(path)


def weights_beside(path: Path) -> list[Path]:
    """Find the files that a network keeps weights in besides its own.

    Raises:
        WeightsError: one of them is missing, or lies elsewhere than beside it.
    """
    if path.suffix == ".onnx" and (size := path.stat().st_size) > MOST_GRAPH:
        way_out = "Save it with weights in a file beside it (external_data)"
        received = f"{path.name} of {size} bytes"
        raise WeightsError(
            "an ONNX graph below 2 GiB, the most that ONNX has room for", received, way_out
        )
    names = {path.with_suffix(".bin").name} if path.suffix == ".xml" else external_names(path)
    for name in sorted(names):
        if Path(name).name != name or name in ("", ".", ".."):
            received = f"{path.name} with weights in {name[:60]!r}"
            way_out = "Save it anew, all in one folder"
            raise WeightsError("weights beside the network", received, way_out)
        if not path.with_name(name).is_file():
            received = f"{path.name} without {name[:60]}"
            raise WeightsError("a network with all its files", received, "Copy that file, too")
    return [path.with_name(name) for name in sorted(names)]


@lru_cache(maxsize=4)
def completed(path: Path, sha256: str, card: Card) -> Card:
    """Hold a graph against its card, and give the card with what the graph says.

    The digest is only what the answer is remembered by.
    """
    del sha256
    model = read_graph(path)
    if len(model.inputs) != 1:
        raise _refused(
            "a graph of one input", path, f"{len(model.inputs)}: {_shapes(model.inputs)}"
        )
    shape = [None if side.is_dynamic else side.get_length() for side in _sides(model.input(0))]
    if len(shape) != 4:
        raise _refused("a graph that takes films as 4 axes", path, _shapes(model.inputs))
    channels, layout = _channels(shape, card, path)
    size = _size(shape[1:3] if layout == "nhwc" else shape[2:], card, path)
    given = max(len(card.mean), len(card.std))
    if given > channels:
        raise _refused(f"mean and std for {channels} channels", path, f"{given} in its card")
    vector = _checked_output(model, card, path)
    card = replace(card, size=size, channels=channels, layout=layout, vector=vector)
    patch = _patch(_tensor(model, card, path), card, path)
    return replace(card, patch=card.patch or patch)


def described(path: Path) -> str:
    """Say in words what goes into a graph and what comes out."""
    model = read_graph(path)
    return f"a graph from {_shapes(model.inputs)} to {_shapes(model.outputs)}"


def read_graph(path: Path) -> Any:
    """Read a graph, or say in a line why that cannot be."""
    import_openvino()
    from openvino.frontend import FrontEndManager

    try:
        # By name: asked for any, OpenVINO lets readers of other formats have a try at the file.
        reader = FrontEndManager().load_by_framework(READERS[path.suffix])
        return reader.convert(reader.load(str(path)))
    # OpenVINO throws what its readers throw.
    except Exception as error:  # noqa: BLE001
        raise _refused("a graph that OpenVINO reads", path, _why(error)) from None


def _why(error: Exception) -> str:
    """Find the telling line of what OpenVINO says: the last one."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return (lines or ["no word from OpenVINO"])[-1][:200]


def close_graph(path: Path, card: Card) -> Any:
    """Give the graph from films, channels last, to the vector; other outputs are gone.

    Args:
        path: The graph.
        card: As `completed` gave it.
    """
    openvino = import_openvino()
    model, channels = read_graph(path), card.channels
    side = [*card.size, channels] if card.layout == "nhwc" else [channels, *card.size]
    try:
        model.reshape([-1, *side])
    except RuntimeError as error:
        raise _refused(f"a graph that takes {side}", path, _why(error)) from None
    vector = _as_vector(_tensor(model, card, path), card, path)
    closed = openvino.Model([vector], model.get_parameters(), path.stem[:60])
    steps = openvino.preprocess.PrePostProcessor(closed)
    kind = openvino.Type.u8 if card.rounded else openvino.Type.f32
    steps.input().tensor().set_element_type(kind).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout(card.layout.upper()))
    before = steps.input().preprocess()
    if card.rounded:
        before.convert_element_type(openvino.Type.f32)
    if card.order == "bgr":
        before.reverse_channels()
    centre, width = (np.asarray(side) for side in levels_of(card))
    before.mean(_each(centre, channels)).scale(_each(width, channels))
    steps.output(0).tensor().set_element_type(openvino.Type.f32)
    return _folded(steps.build())


def _folded(model: Any) -> Any:
    """Compute what can be, such as axes: `engines.openvino` looks for the pooling and its maps."""
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)
    return model


def levels_of(card: Card) -> tuple[Sequence[float], Sequence[float]]:
    """Say which grey levels become 0, and how many become 1."""
    mean, std = np.asarray(card.mean), np.asarray(card.std)
    return ((mean - card.offset) / card.scale).tolist(), (std / card.scale).tolist()


def _each(numbers: Any, channels: int) -> list[float]:
    return [float(number) for number in np.broadcast_to(numbers, channels)]


def _channels(shape: Sequence[int | None], card: Card, path: Path) -> tuple[int, str]:
    """Find the axis of the channels, by what the graph says and else by what its card says."""
    axes = {"nchw": 1, "nhwc": 3}
    for layout, axis in axes.items():
        count = shape[axis] or card.channels
        is_so = card.layout in ("", layout) and card.channels in (0, count)
        if is_so and count in (1, 3):
            return count, layout
    said = " ".join(filter(None, (str(card.channels or "no"), "channels", card.layout)))
    received = f"{['any' if side is None else side for side in shape]}, and {said} in its card"
    raise _refused("1 or 3 channels, as the graph has them", path, received)


def _size(sides: Sequence[int | None], card: Card, path: Path) -> tuple[int, int]:
    wanted: list[int | None] = [*card.size] or [*sides]
    fits = all(own in (None, side) for own, side in zip(sides, wanted, strict=True))
    if None in wanted or not fits:
        said = f"{list(card.size)} in its card" if card.size else "no size in a card"
        received = f"{['any' if side is None else side for side in sides]} in the graph, {said}"
        raise _refused("the size of its films in pixels", path, received)
    return int(wanted[0] or 0), int(wanted[1] or 0)


def _checked_output(model: Any, card: Card, path: Path) -> str:
    """Name the tensor that the vector is made of, if it is known how it becomes one."""
    tensor = _tensor(model, card, path)
    rank = len(_sides(tensor))
    allowed = {2: ("", "none"), 3: ("class", "tokens"), 4: ("", "avg", "max", "none")}
    if rank not in allowed:
        raise _refused("an output of 2 to 4 axes", path, _shapes([tensor]))
    if card.pooling not in allowed[rank]:
        names = ", ".join(filter(None, allowed[rank])) or "no pooling"
        received = f"{card.pooling or 'none'} for {_shapes([tensor])}"
        raise _refused(f"a card with pooling as {names}", path, received)
    return str(min(tensor.get_names(), default=card.vector))


def _patch(tensor: Any, card: Card, path: Path) -> int:
    """Say how many pixels a side of a patch has, where the vector is made of the tokens of patches.

    0: it is not, or the graph leaves their number open.
    """
    shape = _sides(tensor)
    if len(shape) != 3 or shape[1].is_dynamic:
        return 0
    patches = _patches(shape[1].get_length(), card, path)[1]
    height, width = card.size
    return height // patches if patches and height == width and height % patches == 0 else 0


def _patches(tokens: int, card: Card, path: Path) -> tuple[int, int]:
    """Say how many tokens come before those of the patches, and the side of their square."""
    if card.prefix >= tokens:
        raise _refused("patches behind the prefix", path, f"{tokens} tokens, prefix {card.prefix}")
    return card.patches_of(tokens)


def _tensor(model: Any, card: Card, path: Path) -> Any:
    """Find the output, or the tensor within, that the vector is made of."""
    outputs = model.outputs
    if card.vector:
        # PyTorch names tensors by numbers too: an output called so goes before one in that place.
        for found in outputs:
            if card.vector in found.get_names():
                return found
        if card.vector.isdecimal() and int(card.vector) < len(outputs):
            return outputs[int(card.vector)]
        for found in (each for node in model.get_ordered_ops() for each in node.outputs()):
            if card.vector in found.get_names():
                return found
    else:
        named = [each for each in outputs if each.get_names() & set(VECTORS)]
        if len(outputs) == 1 or len(named) == 1:
            return (named or outputs)[0]
    received = f"{card.vector or 'none'} in its card, the graph has {_shapes(outputs)}"
    raise _refused("the name of the output that is the vector", path, received)


def _as_vector(tensor: Any, card: Card, path: Path) -> Any:
    """Turn maps or tokens into (films, numbers)."""
    ops = import_openvino().opset13
    node = tensor.get_node()
    if node.get_type_name() == "Result":
        tensor = node.input_value(0)
    rank = len(_sides(tensor))
    if rank == 3:
        return _of_tokens(tensor, card, path).output(0)
    if rank == 4 and card.pooling == "none":
        return ops.reshape(tensor, ops.constant([0, -1], np.int64), special_zero=True).output(0)
    if rank == 4:
        axes = ops.constant([1, 2] if card.layout == "nhwc" else [2, 3], np.int64)
        reduce = ops.reduce_max if card.pooling == "max" else ops.reduce_mean
        return reduce(tensor, axes, keep_dims=False).output(0)
    return tensor


def _of_tokens(tensor: Any, card: Card, path: Path) -> Any:
    """Take the class token, or the mean of the patches, laid out as the maps that they are."""
    ops = import_openvino().opset13
    _, count, dim = _sides(tensor)
    if count.is_dynamic or dim.is_dynamic:
        raise _refused("a fixed number of tokens", path, _shapes([tensor]))
    tokens = count.get_length()
    if card.pooling == "class":
        return ops.gather(tensor, ops.constant(0, np.int64), ops.constant(1, np.int64))
    prefix, side = _patches(tokens, card, path)
    begin, end = ([0, prefix, 0], [0, tokens, 0])
    patches = ops.strided_slice(
        tensor,
        *(ops.constant(each, np.int64) for each in (begin, end, [1, 1, 1])),
        begin_mask=[1, 0, 1],
        end_mask=[1, 0, 1],
    )
    if not side:
        return ops.reduce_mean(patches, ops.constant([1], np.int64), keep_dims=False)
    shape = ops.constant([0, side, side, dim.get_length()], np.int64)
    maps = ops.reshape(patches, shape, special_zero=True)
    return ops.reduce_mean(maps, ops.constant([1, 2], np.int64), keep_dims=False)


def _sides(tensor: Any) -> Any:
    shape = tensor.get_partial_shape()
    return [] if shape.rank.is_dynamic else list(shape)


def _shapes(tensors: Sequence[Any]) -> str:
    """Name tensors with their shapes, the first ones."""
    words = [
        f"{min(each.get_names(), default='unnamed')[:40]} {each.get_partial_shape()}"
        for each in tensors[:8]
    ]
    return ", ".join([*words, *(["…"] if len(tensors) > 8 else [])])


def _refused(expected: str, path: Path, received: str) -> WeightsError:
    return WeightsError(expected, f"{path.name}: {received}", WAY_OUT)
