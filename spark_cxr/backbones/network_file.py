"""The network inside its file: written by the driver, opened by the executors."""

from __future__ import annotations

import mmap
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import build, compose
from spark_cxr.backbones.openvino_runtime import import_openvino
from spark_cxr.backbones.weights import Weights

GRAPH, CONSTANTS, KERAS = "network.xml", "network.bin", "network.keras"
_HEADER = 30
"""Bytes of a zip member's local header, before its name and its extra field."""
_PADDING_ID = 0xD935
"""The extra field that Android's zipalign pads with."""


def pack(
    archive: zipfile.ZipFile, backbone: Backbone, weights: Weights, engine: str, pooling: str
) -> int:
    """Build the network and put it into the archive; give the length of its vectors."""
    model = build(backbone, weights)
    composed = compose(model, backbone.normalising, pooling)
    with tempfile.TemporaryDirectory() as folder:
        if engine == "openvino":
            _convert(composed, Path(folder) / GRAPH)
            archive.write(Path(folder) / GRAPH, GRAPH)
            _store_on_page(archive, Path(folder) / CONSTANTS)
        else:
            # Without the normalising: that is put on where it runs, in its precision.
            model.save(Path(folder) / KERAS)
            archive.write(Path(folder) / KERAS, KERAS)
    return int(composed.output_shape[-1])


def map_constants(path: Path) -> NDArray[np.uint8]:
    """Map the constants of an OpenVINO network: all workers of a host share the pages."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(CONSTANTS)
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        header = stream.read(_HEADER)
    name, extra = struct.unpack("<HH", header[26:30])
    start = info.header_offset + _HEADER + name + extra
    return np.memmap(path, np.uint8, mode="c", offset=start, shape=(info.file_size,))


def read_member(path: Path, name: str) -> bytes:
    """Read a small member."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def _store_on_page(archive: zipfile.ZipFile, source: Path) -> None:
    """Store a member so that its bytes begin on a page, as mapping and vector loads like it."""
    written = archive.fp.tell() if archive.fp else 0
    begin = written + _HEADER + len(source.name) + 4
    padding = -begin % mmap.PAGESIZE
    info = zipfile.ZipInfo.from_file(source, source.name)
    info.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    with source.open("rb") as stream, archive.open(info, "w") as out:
        while chunk := stream.read(1 << 20):
            out.write(chunk)


def _convert(model: Any, target: Path) -> None:
    """Write the Keras model as OpenVINO's graph and constants, all in 32 bits."""
    openvino = import_openvino()
    if import_keras().backend.backend() != "tensorflow":
        model.export(str(target), format="openvino", verbose=False)
        return
    import tensorflow as tf

    films = tf.TensorSpec(model.input_shape, tf.uint8)
    traced = tf.function(lambda batch: model(batch, training=False)).get_concrete_function(films)
    converted = openvino.convert_model(traced)
    for result in converted.get_results():
        # TensorFlow's swish leaves a second output at each of its layers.
        if traced.outputs[0].name not in result.output(0).get_names():
            converted.remove_result(result)
    openvino.save_model(converted, target, compress_to_fp16=False)
