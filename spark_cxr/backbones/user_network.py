"""A user's own Keras file as a row of the catalog, read without Keras.

A network that was fine-tuned here says where it comes from: in `spark_cxr.json` in its file.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spark_cxr.backbones import catalog
from spark_cxr.backbones.cache import digest
from spark_cxr.backbones.catalog import KNOWN_FILES, NORMALISINGS, Backbone, KnownFile
from spark_cxr.errors import ConfigError, WeightsError

ENGINES = ("openvino", "keras")
_OF_COLOURS = ("caffe", "torch")
FITTING = {
    1: tuple(name for name in NORMALISINGS if name not in _OF_COLOURS),
    3: tuple(name for name in NORMALISINGS if name != "grey"),
}
"""The normalisings that a network of so many channels can have."""
PROVENANCE = "spark_cxr.json"


def is_own(name: str) -> bool:
    """Tell a file from a name of the catalog."""
    return name.endswith(".keras")


def find(name: str, normalising: str = "") -> Backbone:
    """Find a network: by its name in the catalog, or in a user's own FILE.keras."""
    if is_own(name):
        return read_own(Path(name), normalising)
    row = catalog.get(name)
    if normalising not in ("", row.normalising):
        expected = f"no features.normalising, or {row.normalising}, for {name}"
        raise ConfigError(expected, normalising, "The catalog knows what its networks take")
    return row


def read_own(path: Path, normalising: str) -> Backbone:
    """Describe a user's network by what its file says of its input, and what is known of it."""
    (*size_hw, channels), known = _input_shape(path), _known(path)
    normalising = normalising or known.normalising
    if normalising not in FITTING[channels]:
        expected = f"features.normalising from {', '.join(FITTING[channels])} for {path.name}"
        raise ConfigError(expected, normalising or "nothing", "Say how the network was trained")
    return Backbone(
        name=path.stem,
        size_hw=(size_hw[0], size_hw[1]),
        dim=0,
        engines=ENGINES,
        file=str(path),
        normalising=normalising,
        licence=known.licence,
        citation=known.citation,
    )


def _known(path: Path) -> KnownFile:
    tuned = read_provenance(path)
    if tuned is not None:
        return KnownFile(tuned.normalising, tuned.licence, tuned.citation)
    return KNOWN_FILES.get(digest(path), KnownFile("", "as its owner says", ""))


def _input_shape(path: Path) -> tuple[int, int, int]:
    """Find the one input of the network and check that a film fits in."""
    layers = _config(path).get("config", {}).get("layers", [])
    inputs = [each["config"] for each in layers if each.get("class_name") == "InputLayer"]
    shapes = [shape for each in inputs if (shape := each.get("batch_shape"))]
    fits = len(shapes) == 1 and len(shapes[0]) == 4 and None not in shapes[0][1:]
    if not fits or shapes[0][3] not in FITTING:
        expected = f"one input of fixed height and width and 1 or 3 channels in {path.name}"
        raise ConfigError(expected, str(shapes), "Save the network with such an Input")
    _, height, width, channels = shapes[0]
    return int(height), int(width), int(channels)


def _config(path: Path) -> dict[str, Any]:
    way_out = "Save it with model.save('FILE.keras')"
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError("a Keras 3 file", f"{path} ({error})", way_out) from None
    if not isinstance(config, dict):
        raise WeightsError("a Keras 3 file", str(path), way_out)
    return config


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from, and what its file would not tell."""

    backbone: str
    normalising: str
    licence: str
    """Of what it started from."""
    citation: str
    started_from: str
    started_from_sha256: str
    data: str
    """What it has learned on, in words, with the licence."""
    labels: tuple[str, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON knows it."""
        return asdict(self)


def without_folder(origin: str) -> str:
    """Leave out where on this machine a file lies: the network may go to others."""
    return origin if "://" in origin else Path(origin).name


def read_provenance(path: Path) -> Provenance | None:
    """Read what a Keras file says of itself; None of a file that was not made here.

    Raises:
        WeightsError: it says something else than this version wrote.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if PROVENANCE not in archive.namelist():
            return None
        try:
            record = json.loads(archive.read(PROVENANCE))
            return Provenance(**record | {"labels": tuple(record["labels"])})
        except (ValueError, KeyError, TypeError) as error:
            received = f"{path} ({error})"
            raise WeightsError(f"a network with {PROVENANCE}", received, "Train it again") from None
