"""A user's own file as a row of the catalog: a Keras file, read without Keras, or a bare graph.

A network that was fine-tuned here says where it comes from: in `spark_cxr.json` in its file. What
others do not say of themselves stands in a card.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from spark_cxr.backbones import catalog, graph_file
from spark_cxr.backbones.cache import bring, cache_dir, digest
from spark_cxr.backbones.card import PROCESSOR, TIMM, Card, find_card
from spark_cxr.backbones.catalog import KNOWN_FILES, NORMALISINGS, Backbone, KnownFile
from spark_cxr.choices import SEE
from spark_cxr.errors import ConfigError, WeightsError
from spark_cxr.images.sight import FILM
from spark_cxr.settings import Features

ENGINES = {
    ".keras": ("openvino", "keras"),
    ".onnx": ("openvino", "onnxruntime"),
    ".xml": ("openvino",),
}
"""What runs the files of users, by the end of their names."""
_OF_COLOURS = ("caffe", "torch")
FITTING = {
    1: tuple(name for name in NORMALISINGS if name not in _OF_COLOURS),
    3: tuple(name for name in NORMALISINGS if name != "grey"),
}
"""The normalisings that a network of so many channels can have."""
PROVENANCE = "spark_cxr.json"


def is_own(name: str) -> bool:
    """Tell a file from a name of the catalog."""
    return PurePosixPath(name).suffix in ENGINES


def engines_of(name: str) -> tuple[str, ...]:
    """Say what can run a network, the preferred one on a CPU first."""
    return ENGINES[PurePosixPath(name).suffix] if is_own(name) else catalog.get(name).engines


def find(name: str, normalising: str = "", card: str = "", size: int = 0) -> Backbone:
    """Find a network: by its name in the catalog, or in a user's own file.

    Args:
        name: Of the catalog, a file, or a URI of one.
        normalising: How a Keras file wants its pixels.
        card: See `card.find_card`; for files.
        size: Pixels of a side, where the network is to run at another size than it has.
    """
    if is_own(name):
        return _read_file(fetched(name), normalising, card, size)
    row = catalog.get(name)
    if normalising not in ("", row.normalising):
        expected = f"no features.normalising, or {row.normalising}, for {name}"
        raise ConfigError(expected, normalising, "The catalog knows what its networks take")
    if card:
        way_out = "The catalog knows what its networks take"
        raise ConfigError(f"no card for {name}", f"--card={card}"[:200], way_out)
    return _resized(row, size) if size else row


def find_wanted(wanted: Features) -> Backbone:
    """Find the network of these settings, and what it is to see."""
    row = find(wanted.backbone, wanted.normalising, wanted.card, wanted.network_size)
    return replace(row, see=wanted.see or _seen_in_training(row.file or wanted.weights))


def _seen_in_training(file: str) -> str:
    """Say what of a film a network saw when it was trained here."""
    tuned = read_provenance(Path(file)) if file.endswith(".keras") else None
    return tuned.see if tuned else FILM


def _resized(row: Backbone, size: int) -> Backbone:
    if not row.constructor:
        received, way_out = f"--network-size {size} for {row.name}", "Leave --network-size out"
        raise ConfigError("a network that runs at other sizes", received, way_out)
    return replace(row, size_hw=(size, size))


def _read_file(path: Path, normalising: str, card: str, size: int) -> Backbone:
    if path.suffix == ".keras":
        return read_own(path, normalising, card, size)
    if normalising:
        way_out = "Say it in its card: scale, mean and std"
        raise ConfigError(f"no features.normalising for {path.name}", normalising, way_out)
    sha256 = graph_file.digest_of(path)
    known = find_card(path, card, sha256)
    if known is None:
        graph_file.read_graph(path)
        expected = f"a card that says what {path.name} takes and gives"
        received = f"no {path.stem}.toml beside it, and {graph_file.described(path)}"
        raise ConfigError(expected, received, "Write one, or say --card: see docs/networks.md")
    known = replace(known, size=(size, size)) if size else known
    known = graph_file.completed(path, sha256, known)
    return _with_card(path, known, "as its owner says", "")


def _with_card(path: Path, card: Card, licence: str, citation: str) -> Backbone:
    """Describe a file by its card, and by what else is known where that says nothing."""
    return Backbone(
        name=path.stem,
        size_hw=(card.size[0], card.size[1]),
        dim=0,
        engines=ENGINES[path.suffix],
        file=str(path),
        card=card,
        normalising=card.arithmetic,
        licence=card.licence or licence,
        citation=card.citation or citation,
    )


def read_own(path: Path, normalising: str, card: str = "", size: int = 0) -> Backbone:
    """Describe a user's network by what its file says of its input, and what is known of it."""
    (*size_hw, channels), known = _input_shape(path), _known(path)
    if size not in (0, *size_hw):
        received, way_out = (
            f"--network-size {size}, {size_hw} in the file",
            "Leave --network-size out",
        )
        raise ConfigError(f"the size that {path.name} has", received, way_out)
    if said := None if normalising else _card_of(path, card, size_hw, channels):
        return _with_card(path, said, known.licence, known.citation)
    normalising = normalising or known.normalising
    if normalising not in FITTING[channels]:
        expected = f"features.normalising from {', '.join(FITTING[channels])} for {path.name}"
        raise ConfigError(expected, normalising or "nothing", "Say how the network was trained")
    return Backbone(
        name=path.stem,
        size_hw=(size_hw[0], size_hw[1]),
        dim=0,
        engines=ENGINES[".keras"],
        file=str(path),
        normalising=normalising,
        licence=known.licence,
        citation=known.citation,
    )


@cache
def fetched(name: str) -> Path:
    """Find a network's file on this host; one from elsewhere comes with what lies beside it."""
    if "://" not in name or name.startswith("file:"):
        return Path(name.removeprefix("file:").replace("///", "/", 1))
    address, _, last = name.rpartition("/")
    place = hashlib.sha256(address.encode()).hexdigest()[:16]
    target = bring(name, cache_dir(f"graphs/{place}") / last)
    beside = (f"{PurePosixPath(last).stem}{end}" for end in (".toml", ".bin"))
    for other in (*beside, PROCESSOR, TIMM):
        with suppress(WeightsError):  # few networks have any of them
            bring(f"{address}/{other}", target.with_name(other), lambda _: None)
    return target


def _card_of(path: Path, wanted: str, size_hw: Sequence[int], channels: int) -> Card | None:
    """Find the card of a Keras file, and hold it against the file."""
    card = find_card(path, wanted, digest(path))
    if card is None:
        return None
    for name, said, own in (
        ("size", list(card.size), list(size_hw)),
        ("channels", card.channels, channels),
    ):
        if said and said != own:
            received = f"{own} in {path.name}, {said} in its card"
            raise ConfigError(f"one {name} in a network and its card", received, "Correct the card")
    if card.vector or card.pooling not in ("", "avg", "max", "none"):
        received, way_out = card.vector or card.pooling, "Save the network up to its vector"
        raise ConfigError("no vector or tokens in the card of a Keras file", received, way_out)
    return replace(card, size=tuple(size_hw), channels=channels)


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
    see: str = FILM
    """What of each film."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON knows it; older versions read what saw whole films."""
        said = asdict(self)
        return {name: each for name, each in said.items() if (name, each) != ("see", FILM)}


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
            found = Provenance(**record | {"labels": tuple(record["labels"])})
            if found.see not in SEE:
                raise ValueError(f"see = {found.see!r:.40}")
            return found
        except (ValueError, KeyError, TypeError) as error:
            received = f"{path} ({error})"
            raise WeightsError(f"a network with {PROVENANCE}", received, "Train it again") from None
