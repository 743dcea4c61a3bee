"""`model.json`: what a model directory holds and what it was made from.

It names the SHA-256 of every other file and of itself, so that a directory that was damaged,
mixed from two, or changed by hand is refused. Whoever can write all of it can also seal it anew:
the digests are against mistakes, not instead of the rights of a file system.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pyarrow import fs

from spark_cxr.errors import InputError
from spark_cxr.images.film import Limits
from spark_cxr.output import Output, locate

FORMAT = 3
"""Goes up when an older spark_cxr could not read the directory rightly."""
NAME = "model.json"
ARRAYS = "head.npz"
REFERENCE = "reference.npz"
SEAL = "sha256"
BLOCK = 1 << 20


@dataclass(frozen=True)
class Origin:
    """The weights of the network, as far as they matter away from where they were found."""

    kind: str
    sha256: str
    origin: str
    licence: str
    caveat: str


@dataclass(frozen=True)
class Manifest:
    """The content of model.json."""

    name: str
    """What stands in the column `model` of predictions."""
    labels: tuple[str, ...]
    head: str
    setting: Mapping[str, float]
    backbone: str
    weights: Origin
    preprocessing: int
    """The number of the resizing and normalising that the features come from."""
    engine: str
    precision: str
    device: str
    network: str
    """The network's file in the directory; empty for the fake, which needs none."""
    features: int
    """How many numbers the network gives for a film."""
    limits: Limits
    metrics: Mapping[str, float | None]
    data: str
    """The fingerprint of films, labels and split."""
    split: Mapping[str, Any]
    """`how` the test was set apart, in words, and the share and seed where it was drawn."""
    versions: Mapping[str, str]
    files: Mapping[str, str]
    """SHA-256 of every other file, by its path in the directory."""
    overlap: Mapping[str, Any] = field(default_factory=dict)
    """How many films of the test the network was trained on; empty in those of older versions."""
    format: int = FORMAT

    @property
    def identity(self) -> str:
        """Name the model by all that its answers depend on, which its plain name does not.

        Two trainings on the same films have one name, whatever their networks and settings.
        """
        parts = [
            *(self.labels, self.backbone, self.weights.sha256, self.preprocessing),
            *(self.engine, self.precision, self.features, asdict(self.limits)),
            *(self.files[name] for name in (ARRAYS, REFERENCE)),
        ]
        return f"{self.name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]}"


def write_manifest(output: Output, manifest: Manifest) -> None:
    """Write model.json, sealed."""
    entries = asdict(manifest)
    output.write_json(NAME, {**entries, SEAL: _seal(entries)})


def read_manifest(directory: Output) -> Manifest:
    """Read model.json and check that it is whole and of a format that is known here."""
    entries = _read_json(directory)
    if entries.get("format") != FORMAT:
        found = entries.get("format")
        is_newer = isinstance(found, int) and found > FORMAT
        way_out = "Upgrade spark_cxr" if is_newer else "Train again with this version"
        raise InputError(f"a model directory of format {FORMAT}", f"format {found}", way_out)
    if entries.pop(SEAL, "") != _seal(entries):
        raise _changed(directory, NAME)
    try:
        entries = {"overlap": {}, **entries}
        known = {item.name: entries[item.name] for item in fields(Manifest)}
        known |= {"labels": tuple(entries["labels"]), "weights": Origin(**entries["weights"])}
        return Manifest(**known | {"limits": Limits(**entries["limits"])})
    except (KeyError, TypeError) as error:
        received = f"{directory.table(NAME)} ({error})"
        raise InputError("a model.json with all its entries", received, "Train again") from None


def check_files(directory: Output, manifest: Manifest) -> None:
    """Refuse a directory in which a file is missing, changed, or not spoken of."""
    found = digests(directory)
    for name, expected in manifest.files.items():
        if name not in found:
            received = f"{directory.address} without {name}"
            raise InputError("a complete model directory", received, "Copy all of it again")
        if found[name] != expected:
            raise _changed(directory, name)
    for name in sorted(set(found) - set(manifest.files)):
        received, way_out = f"{directory.table(name)} beside them", "Remove it"
        raise InputError("the files that model.json names", received, way_out)


def digests(directory: Output) -> dict[str, str]:
    """Compute the SHA-256 of every file but model.json and what is hidden."""
    store, root = locate(directory.address)
    found = {}
    for entry in store.get_file_info(fs.FileSelector(root, recursive=True)):
        name = entry.path[len(root) :].lstrip("/")
        hidden = any(part.startswith(".") for part in name.split("/"))  # checksums of Hadoop
        if entry.is_file and name != NAME and not hidden:
            found[name] = _digest(store, entry.path)
    return found


def _digest(store: fs.FileSystem, path: str) -> str:
    state = hashlib.sha256(usedforsecurity=False)
    with store.open_input_stream(path) as stream:
        while block := stream.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def _seal(entries: Mapping[str, Any]) -> str:
    text = json.dumps(entries, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _read_json(directory: Output) -> dict[str, Any]:
    way_out = "Name the model/ of a training"
    try:
        text = directory.read_bytes(NAME)
        entries = json.loads(text or b"null")
    except (OSError, ValueError) as error:
        received = f"{directory.table(NAME)} ({error})"
        raise InputError("a model directory", received, way_out) from None
    if not isinstance(entries, dict):
        raise InputError("a model directory", f"no {directory.table(NAME)}", way_out)
    return entries


def _changed(directory: Output, name: str) -> InputError:
    received, way_out = f"{directory.table(name)}, changed since", "Copy the model again, or train"
    return InputError("a model as it was written", received, way_out)
