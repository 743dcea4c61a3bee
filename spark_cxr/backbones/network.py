"""The one file that an executor needs of a network: built once on the driver, found by content.

A stored zip: `meta.json`, and `network.xml` + `network.bin` for OpenVINO or `network.keras` for
Keras. One file serves every precision but int8: that is chosen where the processor is known. A file
for int8 is made of one for f32 (`quantisation.py`), and says what came of it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.cache import Say, cache_dir, digest, locked, to_log, whole
from spark_cxr.backbones.card import Card
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.graph_file import close_graph, weights_beside
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import POOLINGS, build, compose
from spark_cxr.backbones.openvino_package import import_openvino
from spark_cxr.backbones.user_network import without_folder
from spark_cxr.backbones.weights import Weights
from spark_cxr.choices import SEE
from spark_cxr.errors import ConfigError, SetupError, WeightsError, nearest
from spark_cxr.images.film import Pixels
from spark_cxr.images.fit import Fit, fitted
from spark_cxr.images.prepare import in_three_channels
from spark_cxr.images.sight import FILM
from spark_cxr.records import read_json, read_record

PREPROCESSING = 1
"""Goes up when resizing or normalising changes: features of different numbers do not mix."""
FORMAT = 1
"""Of the file."""
META = "meta.json"
SINCE_FORMAT = {"quantisation": None, "card": None, "see": FILM}
"""Entries that are written only where they say something else: older versions read all other
files."""
MOST_META = 1 << 20
LARGEST = 1 << 14
"""Pixels of a side."""
GRAPH, CONSTANTS, KERAS = "network.xml", "network.bin", "network.keras"
ONNX = "network.onnx"
_HEADER = 30
"""Bytes of a zip member's local header, before its name and its extra field."""
_PADDING_ID = 0xD935
"""The extra field that Android's zipalign pads with."""


@dataclass(frozen=True)
class Quantisation:
    """How a network was brought to 8 bits, and how far it is from itself since."""

    calibration: str
    """Digest of the films, in their order, and of all else that decides the outcome."""
    constants: str
    """SHA-256 of what came out: processors may disagree in a last bit, and then nothing mixes."""
    films: int
    """That the ranges of 8 bits were taken from."""
    held_out: int
    """Other films, on which the figures below were measured."""
    cosine: float
    """Of int8 to f32, the mean."""
    cosine_least: float
    contrast: float
    """The median of the same when the mean vector is taken off both: what tells films apart."""
    method: str
    """By which NNCF of which version, and how it made up for the loss."""


@dataclass(frozen=True)
class Network:
    """A network that is ready for the executors, and all that its features depend on."""

    backbone: str
    size_hw: tuple[int, int]
    dim: int
    normalising: str
    pooling: str
    engine: str
    weights: Weights
    preprocessing: int = PREPROCESSING
    format: int = FORMAT
    path: str = ""
    """Where the file lies on this host; empty for the fake, which needs none."""
    sha256: str = ""
    """Of the file, for whoever ships it."""
    quantisation: Quantisation | None = None
    """None: the network computes in whatever precision the plan says."""
    card: Card | None = None
    """What was said of a network that is not of the catalog."""
    see: str = FILM
    """What of a film it is shown; see `images.sight`."""

    @property
    def fit(self) -> Fit:
        """Say how a film is fitted into the network's input."""
        fit = self.card.fit_to(self.size_hw) if self.card else Fit(self.size_hw)
        return replace(fit, see=self.see)

    def film(self, pixels: Pixels) -> Pixels:
        """Give a decoded film as the network takes it: in its size, in three channels."""
        return in_three_channels(fitted(pixels, self.fit))

    @property
    def enough_hw(self) -> tuple[int, int] | None:
        """Give a size of films than which it needs no more; None where every pixel counts."""
        return self.size_hw if self.fit == Fit(self.size_hw) else None


def prepare(
    backbone: Backbone, weights: Weights, engine: str, pooling: str = "avg", say: Say = to_log
) -> Network:
    """Build the file of a network in the cache, or take the one that is there."""
    if backbone.is_graph and pooling != "avg":
        way_out = "Say it in the card: pooling"
        raise ConfigError(f"no pooling beside {Path(backbone.file).name}", pooling, way_out)
    if pooling not in POOLINGS:
        raise ConfigError("features.pooling by name", pooling, nearest(pooling, POOLINGS))
    if backbone.card and backbone.card.pooling in POOLINGS:
        pooling = backbone.card.pooling
    wanted = Network(
        backbone=backbone.name,
        size_hw=backbone.size_hw,
        dim=backbone.dim,
        normalising=backbone.normalising,
        pooling=pooling,
        engine=engine,
        weights=weights,
        card=backbone.card,
        see=backbone.see,
    )
    if engine == "fake":
        return wanted
    target = cache_dir("networks") / f"{backbone.name}-{engine}-{key(wanted)[:16]}.network"
    with locked(target):
        if not _is_whole(target):
            say(f"network: {backbone.name} is made ready for {engine}")
            with whole(target) as half, zipfile.ZipFile(half, "w") as archive:
                dim = pack(archive, backbone, weights, engine, pooling)
                archive.writestr(META, meta_of(replace(wanted, dim=dim)))
    # The weights as they were found now: when the file was made they may have lain elsewhere. And
    # the card as it is now: entries on which no vector depends may have been corrected.
    ready = replace(read(target), sha256=digest(target), weights=weights)
    return replace(ready, card=backbone.card)


def key(network: Network) -> str:
    """Identify features: networks of the same key make the same vectors at the same precision."""
    parts = [
        network.backbone,
        network.size_hw,
        network.normalising,
        network.pooling,
        network.engine,
        network.weights.kind,
        network.weights.sha256,
        network.preprocessing,
        network.format,
    ]
    if network.card:
        parts.append(network.card.computing)
    if network.see != FILM:
        parts.append(network.see)
    if known := network.quantisation:
        parts += [known.calibration, known.constants]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def meta_of(network: Network) -> str:
    """Write what a file says of itself; without what came later, where there is none of it."""
    meta = asdict(network)
    for name, usual in SINCE_FORMAT.items():
        if meta[name] == usual:
            del meta[name]
    return json.dumps(meta, indent=1)


def read(path: Path) -> Network:
    """Read what a network's file says of itself."""
    way_out = "Remove it: it is built again"
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(META).file_size > MOST_META:
                raise ValueError(f"{META} of more than {MOST_META} bytes")
            network = read_record(Network, read_json(archive.read(META)), META)
        if network.format != FORMAT:
            raise ValueError(f"format {network.format}, this is {FORMAT}")
        if min(*network.size_hw, network.dim) < 1 or max(network.size_hw) > LARGEST:
            raise ValueError(f"{network.size_hw} pixels, {network.dim} numbers")
        if network.see not in SEE:
            raise ValueError(f"see = {network.see[:40]}")
        return replace(network, path=str(path))
    # Of a file from elsewhere zipfile and zlib raise anything at all.
    except Exception as error:  # noqa: BLE001
        raise WeightsError("a network's file", f"{path} ({error})", way_out) from None


def local(network: Network, folders: Sequence[str] = ()) -> Network:
    """Find the file on this host, an executor's: where the driver had it, or where it was shipped.

    From a shipped or shared folder it is copied into the local cache, once for all workers.
    """
    if not network.path:
        return network
    name = Path(network.path).name
    target = cache_dir("networks") / name
    with locked(target):
        if not _is_whole(target):
            places = [Path(network.path), *(Path(folder) / name for folder in folders)]
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                received = f"nothing at {', '.join(map(str, places))}"
                way_out = "Set SPARK_CXR_CACHE to a folder that all nodes see, or ship the file"
                raise SetupError(f"{name} on this executor", received, way_out)
            _copy(found, target, network.sha256)
    return replace(network, path=str(target))


def _copy(source: Path, target: Path, sha256: str) -> None:
    with whole(target) as half:
        shutil.copyfile(source, half)
        if (received := digest(half)) != sha256:
            way_out = "It was damaged on its way: run again"
            raise WeightsError(f"{source.name} with SHA-256 {sha256}", received, way_out)


def _is_whole(path: Path) -> bool:
    try:
        read(path)
    except WeightsError:
        return False
    return True


def pack(
    archive: zipfile.ZipFile, backbone: Backbone, weights: Weights, engine: str, pooling: str
) -> int:
    """Build the network and put it into the archive; give the length of its vectors."""
    if backbone.is_graph:
        return _pack_graph(archive, backbone, weights, engine)
    model = build(backbone, weights)
    composed = compose(model, backbone.normalising, pooling)
    with tempfile.TemporaryDirectory() as folder:
        if engine == "openvino":
            _convert(composed, Path(folder) / GRAPH)
            store_graph(archive, Path(folder))
        else:
            # Without the normalising: that is put on where it runs, in its precision.
            model.save(Path(folder) / KERAS)
            archive.write(Path(folder) / KERAS, KERAS)
    return int(composed.output_shape[-1])


def _pack_graph(archive: zipfile.ZipFile, backbone: Backbone, weights: Weights, engine: str) -> int:
    closed = close_graph(Path(weights.path), backbone.card or Card())
    dim = int(closed.output(0).get_partial_shape()[1].get_length())
    if engine == "onnxruntime":
        if beside := weights_beside(Path(weights.path)):
            received = f"{Path(weights.path).name} with {beside[0].name[:60]}"
            way_out = "Save it anew as one file, or say --engine openvino"
            raise WeightsError("a network in one file for ONNX Runtime", received, way_out)
        archive.write(weights.path, ONNX)
        return dim
    with tempfile.TemporaryDirectory() as folder:
        import_openvino().save_model(closed, Path(folder) / GRAPH, compress_to_fp16=False)
        store_graph(archive, Path(folder))
    return dim


def store_graph(archive: zipfile.ZipFile, folder: Path) -> None:
    """Put OpenVINO's graph and constants into a network's file."""
    archive.write(folder / GRAPH, GRAPH)
    info = zipfile.ZipInfo.from_file(folder / CONSTANTS, CONSTANTS)
    with (folder / CONSTANTS).open("rb") as stream:
        _store_on_page(archive, info, stream)


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


def _store_on_page(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stream: IO[bytes]) -> None:
    """Store a member so that its bytes begin on a page, as mapping and vector loads like it."""
    written = archive.fp.tell() if archive.fp else 0
    begin = written + _HEADER + len(info.filename) + 4
    padding = -begin % mmap.PAGESIZE
    info.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    with archive.open(info, "w") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def copy_without_places(source: Path, target: Path) -> None:
    """Copy a network's file, and leave out where on this machine its weights were found."""
    with zipfile.ZipFile(source) as made, zipfile.ZipFile(target, "w") as archive:
        for info in made.infolist():
            member = zipfile.ZipInfo(info.filename, info.date_time)
            member.file_size = info.file_size
            with made.open(info) as stream:
                if info.filename == META:
                    network = read(source)
                    origin = without_folder(network.weights.origin)
                    weights = replace(network.weights, path="", origin=origin)
                    archive.writestr(member, meta_of(replace(network, path="", weights=weights)))
                elif info.filename == CONSTANTS:
                    _store_on_page(archive, member, stream)
                else:
                    archive.writestr(member, stream.read())


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
