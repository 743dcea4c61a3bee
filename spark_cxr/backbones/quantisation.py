"""A network's file for f32 → one for int8, by NNCF, which nobody else needs.

NNCF takes the ranges of 8 bits from films, and brings half a gigabyte along: it runs in a child
process, so that neither stays in the driver. What comes out is a network's file like any other, and
measures itself before anyone may use it: on films that were kept from NNCF.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.cache import Say, cache_dir, digest, locked, to_log, whole
from spark_cxr.backbones.network import (
    CONSTANTS,
    GRAPH,
    META,
    Network,
    Quantisation,
    key,
    map_constants,
    meta_of,
    read,
    read_member,
    store_graph,
)
from spark_cxr.backbones.openvino_package import import_openvino
from spark_cxr.errors import InputError, SetupError, WeightsError
from spark_cxr.images.film import Pixels
from spark_cxr.images.fit import Fit
from spark_cxr.images.prepare import to_channels
from spark_cxr.records import read_json, read_record

VERSION = 1
"""Goes up when the same films would give another network."""
CONVOLUTION = "Convolution"
FILMS = 300
"""That the ranges come from: what NNCF itself takes."""
HELD_OUT = 100
FEWEST = 40
"""Films of both kinds, below which nothing could be said of the outcome."""
LEAST_COSINE = 0.99
"""Floor of the mean cosine to f32."""
LEAST_CONTRAST = 0.98
"""Floor of the median cosine about the mean. Vectors of films are much alike: of a network with
random weights a cosine of 0.999 may hide that nothing is left of what tells films apart."""
METHODS = ("fast", "thorough", "ends in f32")
"""Tried in this order until one is good enough: how NNCF makes up for what rounding shifts. The
second corrects each layer on its own films, and shifts ranges that are not symmetric. The third
also leaves the first and the last convolution as they are: of EfficientNet-Lite0 it brings the
contrast from 0.91 to 0.99, as no other layers did."""
_CODE = "from spark_cxr.backbones.quantisation import serve; serve()"
_STEP = 4
"""Films at once where the outcome is measured."""


@dataclass(frozen=True)
class CalibrationFilms:
    """Films as a network takes them, each once, in an order that nothing but they decide."""

    sha256: tuple[str, ...]
    """Of the files."""
    pixels: Pixels
    """(films, height, width, 3)"""

    @property
    def held_out(self) -> int:
        """Say how many of them, the last ones, are kept for measuring."""
        return max(len(self.sha256) - FILMS, len(self.sha256) // 4)

    @property
    def calibration(self) -> str:
        """Identify what comes of them: the films, and the versions of all that takes part."""
        parts = [VERSION, metadata.version("nncf"), list(self.sha256), self.held_out]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def check_nncf() -> None:
    """Refuse to begin where NNCF is not installed."""
    if find_spec("nncf") is None:
        way_out = "pip install 'spark-cxr[int8]', on the driver alone, or name a model of int8"
        raise SetupError("NNCF, which makes int8 of a network", "none installed", way_out)


def quantise(network: Network, films: CalibrationFilms, say: Say = to_log) -> Network:
    """Make the file for int8 in the cache, or take the one that these films gave before.

    Raises:
        InputError: There are too few films, or the outcome is too far from f32.
    """
    check_nncf()
    if len(films.sha256) < FEWEST:
        expected = f"at least {FEWEST} different films to calibrate int8 on"
        raise InputError(expected, f"{len(films.sha256)}", "Name more with --calibrate DIR")
    calibration = films.calibration
    begin = f"{network.backbone}-{network.engine}-{key(network)[:16]}-{calibration[:16]}"
    folder = cache_dir("networks")
    with locked(folder / begin):
        target = next(iter(sorted(folder.glob(f"{begin}-*.network"))), None)
        if target is None:
            say(f"network: {network.backbone} is brought to int8 on {len(films.sha256)} films")
            target = _made(network, films, folder / begin)
    found = replace(read(target), sha256=digest(target), weights=network.weights)
    found = replace(found, card=network.card)
    say(in_words(found.quantisation))
    return found


def in_words(known: Quantisation | None) -> str:
    """Say how far int8 is from f32."""
    if known is None:
        return ""
    return (
        f"int8: cosine to f32 {known.cosine:.4f}, at least {known.cosine_least:.4f}, "
        f"about the mean {known.contrast:.4f}, on {known.held_out} films beside the {known.films} "
        f"of {known.method}"
    )


def by_key(feature_key: str) -> Path | None:
    """Find the file in the cache that made features of this key (`Plan.key`)."""
    wanted = feature_key.removesuffix("-int8").rpartition("-")[2]
    for path in sorted(cache_dir("networks").glob(f"*-{wanted}.network")):
        if read(path).quantisation is not None:
            return path
    return None


def _made(network: Network, films: CalibrationFilms, begin: Path) -> Path:
    """Have it made by the first method whose outcome is good enough."""
    refused = list[str]()
    for method in METHODS:
        with tempfile.TemporaryDirectory() as folder:
            known = _ask_child(network, films, method, Path(folder))
            if not (known.cosine >= LEAST_COSINE and known.contrast >= LEAST_CONTRAST):
                refused.append(in_words(known))
                continue
            made = replace(network, quantisation=known, path="", sha256="")
            target = begin.with_name(f"{begin.name}-{key(made)[:16]}.network")
            with whole(target) as half, zipfile.ZipFile(half, "w") as archive:
                store_graph(archive, Path(folder))
                archive.writestr(META, meta_of(made))
            return target
    expected = (
        f"{network.backbone} in int8 with a cosine to f32 of {LEAST_COSINE} and, about the mean, "
        f"{LEAST_CONTRAST}"
    )
    raise InputError(expected, "; ".join(refused), "Say --precision auto for this network")


def _ask_child(
    network: Network, films: CalibrationFilms, method: str, folder: Path
) -> Quantisation:
    """Start the process that has NNCF; films go through its pipe, and never touch a disk."""
    wanted = {
        "network": network.path,
        "folder": str(folder),
        "method": method,
        "calibration": films.calibration,
        "shape": films.pixels.shape,
        "dtype": films.pixels.dtype.str,
        "held_out": films.held_out,
    }
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        pipe = cast(BinaryIO, process.stdin)
        pipe.write(f"{json.dumps(wanted)}\n".encode())
        pipe.write(np.ascontiguousarray(films.pixels).data)
        answer, complaint = process.communicate()
    except BrokenPipeError:
        answer, complaint = b"", process.communicate()[1]
    finally:
        process.kill()
        process.wait()
    try:
        return read_record(Quantisation, read_json(answer), "the answer of NNCF")
    except ValueError:
        last = (complaint.decode(errors="replace").strip() or "nothing").splitlines()[-1]
        received = f"{network.backbone}: {last[:200]}"
        raise WeightsError("a network that NNCF brings to int8", received, "Say f32") from None


# In the child


def serve() -> None:
    """Do what the parent asks: NNCF's files into its folder, one line of JSON as the answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # NNCF draws bars
    wanted = json.loads(sys.stdin.buffer.readline())
    films = np.frombuffer(sys.stdin.buffer.read(), wanted["dtype"]).reshape(wanted["shape"])
    source, folder, held = Path(wanted["network"]), Path(wanted["folder"]), wanted["held_out"]
    graph = _Graph(source)
    films = to_channels(films, graph.channels)
    used, method = films[:-held], wanted["method"]
    import_openvino().save_model(
        _by_nncf(graph.model(1), used, method), folder / GRAPH, compress_to_fp16=False
    )
    plain = _vectors(graph.model(_STEP), films[-held:])
    rough = _vectors(graph.core.read_model(folder / GRAPH), films[-held:])
    cosines, about_mean = compare(plain, rough)
    known = Quantisation(
        calibration=wanted["calibration"],
        constants=digest(folder / CONSTANTS),
        films=len(used),
        held_out=held,
        cosine=float(cosines.mean()),
        cosine_least=float(cosines.min()),
        contrast=float(np.median(about_mean)),
        method=f"NNCF {metadata.version('nncf')}, {method}",
    )
    answers.write(json.dumps(asdict(known)).encode())
    answers.flush()


class _Graph:
    """The graph of a network's file; its constants are mapped for as long as it lives."""

    def __init__(self, path: Path) -> None:
        self.core, self._graph = import_openvino().Core(), read_member(path, GRAPH)
        self._constants = import_openvino().Tensor(map_constants(path), shared_memory=True)
        shape = self.core.read_model(self._graph, self._constants).input(0).get_partial_shape()
        *self._size_hw, self.channels = (shape[axis].get_length() for axis in (1, 2, 3))

    def model(self, films: int) -> Any:
        """Give it for so many films at once."""
        model = self.core.read_model(self._graph, self._constants)
        model.reshape([films, *self._size_hw, self.channels])
        return model


def _by_nncf(model: Any, films: Pixels, method: str) -> Any:
    import nncf  # tells nobody: openvino_telemetry has its stand-in since `import_openvino`

    is_thorough = method != METHODS[0]
    convolutions = [
        node for node in model.get_ordered_ops() if node.get_type_name().endswith(CONVOLUTION)
    ]
    ends = convolutions[:1] + convolutions[-1:] if method == METHODS[2] else []
    preset = nncf.QuantizationPreset.MIXED if is_thorough else nncf.QuantizationPreset.PERFORMANCE
    return nncf.quantize(
        model,
        nncf.Dataset(list(films), lambda film: {0: film[None]}),
        subset_size=len(films),
        preset=preset,
        target_device=nncf.TargetDevice.CPU,
        fast_bias_correction=not is_thorough,
        ignored_scope=nncf.IgnoredScope(names=[node.get_friendly_name() for node in ends]),
    )


def _vectors(model: Any, films: Pixels) -> NDArray[np.float32]:
    """Run films through a graph as a worker would, in f32 where it is not int8."""
    model.reshape([_STEP, *films.shape[1:]])
    compiled = (
        import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    last = np.repeat(films[-1:], -len(films) % _STEP, axis=0)
    steps = np.split(np.concatenate([films, last]), (len(films) + len(last)) // _STEP)
    return np.concatenate([compiled(step)[0].copy() for step in steps])[: len(films)]


def compare(
    plain: NDArray[np.float32], rough: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the cosine of each film's two vectors, as they are and about the mean of the first."""

    def cosines(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
        lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
        return np.asarray((some * others).sum(axis=1) / np.maximum(lengths, 1e-30), np.float64)

    some, others = plain.astype(np.float64), rough.astype(np.float64)
    mean = some.mean(axis=0)
    return cosines(some, others), cosines(some - mean, others - mean)


def in_order(rows: Sequence[tuple[str, bytes]], fit: Fit) -> CalibrationFilms:
    """Put films (digest, pixels) into an order of their own, each content once."""
    unique = sorted(dict(rows).items())
    shape = (len(unique), *fit.size_hw, 3)
    kind = "u1" if fit.rounded else "f4"
    pixels = np.frombuffer(b"".join(data for _, data in unique), kind).reshape(shape)
    return CalibrationFilms(tuple(name for name, _ in unique), pixels)
