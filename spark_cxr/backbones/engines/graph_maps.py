"""The last maps of an OpenVINO graph: what its global pooling takes the mean of.

They are found in the graph and not written into the network's file: files and model directories
that were made before stay as they are, and a graph without the second output is compiled as ever.
"""

from __future__ import annotations

from typing import Any

from spark_cxr.backbones.openvino_runtime import import_openvino

_PASSES_ON = ("Convert", "Reshape", "Squeeze")
"""Operations between the pooling and the output that change no number."""
_CHANNELS_FIRST = (2, 3)
_CHANNELS_LAST = (1, 2)


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
    is_mean = node.get_type_name() == "ReduceMean" and len(node.get_input_shape(0)) == 4
    if is_mean and _axes(node) in (_CHANNELS_FIRST, _CHANNELS_LAST):
        return node
    return None


def _axes(pooling: Any) -> tuple[int, ...]:
    axes = pooling.input_value(1).get_node().get_data()
    return tuple(sorted(int(axis) % 4 for axis in axes.ravel()))
