"""`model.json`: what a model directory holds and what it was made from.

It names the SHA-256 of every other file and of itself, so that a directory that was damaged,
mixed from two, or changed by hand is refused. Whoever can write all of it can also seal it anew:
the digests are against mistakes, not instead of the rights of a file system. A signature is against
that: only who holds the private key can make one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from spark_cxr.choices import SEE
from spark_cxr.errors import InputError
from spark_cxr.images.film import Limits
from spark_cxr.model.contents import digest_of, files_in, read_file
from spark_cxr.model.decision import Decision, is_sound
from spark_cxr.model.findings import NO_FINDING, SIGN
from spark_cxr.model.signature import SIGNATURE, check_signature, sign_seal
from spark_cxr.output import Output
from spark_cxr.records import read_json, read_record

FORMAT = 3
"""Goes up when an older spark_cxr could not read the directory rightly."""
FORMAT_OF_FINDINGS = 4
"""Of models of findings alone: older versions read all others."""
FORMAT_OF_DECISIONS = 5
"""Of models of either kind whose probabilities are recalibrated, or that have points or sets."""
FORMATS = (FORMAT, FORMAT_OF_FINDINGS, FORMAT_OF_DECISIONS)
NAME = "model.json"
ARRAYS = "head.npz"
REFERENCE = "reference.npz"
FILMS = "training.films"
"""The films that the head was trained on, as `backbones.film_list` hashes them; not in models of
vectors made elsewhere, nor in those of older versions."""
SEAL = "sha256"
FAKE = "fake"
"""The engine that needs no network's file."""
TABLE = "table"
"""What stands for the engine where vectors were made elsewhere: nothing here can make more."""
PRECISIONS = ("auto", "f32", "bf16", "f16", "int8")
SINCE_INT8 = ("calibration", "allows", "vectors", "thresholds", "decision", "see")
"""Entries that are written only where they say something: older versions read all other models."""
MOST_JSON = 16 << 20
MOST_ARRAYS = 1 << 30
"""Bytes of a file that is read at once; the network's is not."""
MOST_FEATURES = 1 << 20
LONGEST_NAME = 200


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
    """The classes of which a film has one, or where there are `thresholds`, the findings."""
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
    calibration: str = ""
    """Of a network in int8: the digest of the films and versions that it was calibrated with."""
    allows: tuple[str, ...] = ()
    """Precisions in which vectors may be made for its head, besides its own."""
    vectors: Mapping[str, Any] = field(default_factory=dict)
    """Of vectors made elsewhere: `name`, `length`, `digest`, and `key` where theirs is known."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Of a model of findings, and of no other: the operating point of each, the probability from
    which on a film is said to have it."""
    decision: Decision | None = None
    """How its probabilities become answers; None where they are those of the head."""
    see: str = ""
    """What of a film the network is shown (`images.sight`); empty: all of it."""
    format: int = FORMAT

    @property
    def is_of_findings(self) -> bool:
        """Tell whether a film may have several of the labels, or none."""
        return bool(self.thresholds)

    @property
    def has_verdicts(self) -> bool:
        """Tell whether labels are ruled in and out."""
        return self.decision is not None and self.decision.sets is not None

    @property
    def kind(self) -> int:
        """Give the format that its content takes."""
        if self.decision is not None:
            return FORMAT_OF_DECISIONS
        return FORMAT_OF_FINDINGS if self.is_of_findings else FORMAT

    @property
    def takes_films(self) -> bool:
        """Tell whether there is a network: without it the model scores vectors only."""
        return self.engine != TABLE

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
        if self.calibration:
            parts.append(self.calibration)
        if self.is_of_findings:
            parts.append([[name, self.thresholds[name]] for name in self.labels])
        if self.decision is not None:
            parts.append(asdict(self.decision))
        if self.see:
            parts.append(self.see)
        return f"{self.name}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]}"


def write_manifest(output: Output, manifest: Manifest, private_key: str = "") -> None:
    """Write model.json, sealed; with the file of a private key also its signature."""
    whole = asdict(replace(manifest, format=manifest.kind))
    entries = {name: value for name, value in whole.items() if value or name not in SINCE_INT8}
    seal = _seal(entries)
    if private_key:
        output.write_json(SIGNATURE, sign_seal(seal, private_key))
    output.write_json(NAME, {**entries, SEAL: seal})


def read_manifest(directory: Output, public_key: str = "") -> Manifest:
    """Read model.json and check that it is whole, right, and of a format that is known here.

    Args:
        directory: The model.
        public_key: The file of the key that it must have been signed for; empty: none.
    """
    entries = _read_json(directory)
    if (found := entries.get("format")) not in FORMATS:
        is_newer = isinstance(found, int) and found > max(FORMATS)
        way_out = "Upgrade spark_cxr" if is_newer else "Train again with this version"
        known = f"{', '.join(map(str, FORMATS[:-1]))} or {FORMATS[-1]}"
        expected = f"a model directory of format {known}"
        raise InputError(expected, f"format {found}"[:40], way_out)
    seal = entries.pop(SEAL, "")
    if seal != _seal(entries):
        raise _changed(directory, NAME)
    if public_key:
        check_signature(directory, seal, public_key)
    try:
        manifest = read_record(Manifest, entries, NAME)
    except ValueError as error:
        received = f"{directory.table(NAME)} ({error})"
        raise InputError("a model.json with all its entries", received, "Train again") from None
    for expected, holds in CHECKS.items():
        if not holds(manifest):
            raise InputError(expected, f"{directory.table(NAME)} without", "Train again")
    return manifest


def _is_inside(name: str) -> bool:
    """Tell a plain name of a file, also below folders, from one that may lead elsewhere."""
    parts = name.split("/")
    is_plain = not any(part in ("", ".", "..") for part in parts)
    return is_plain and not any(sign in name for sign in ("\\", ":", "\0"))


def _are_shares(numbers: Iterable[float]) -> bool:
    return all(0 <= number <= 1 for number in numbers)


def _is_digest(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


CHECKS: dict[str, Callable[[Manifest], bool]] = {
    "a model of two or more labels, each once": lambda m: (
        len(m.labels) == len(set(m.labels)) > (0 if m.is_of_findings else 1)
        and all(label.strip() for label in m.labels)
    ),
    f"findings that can stand in one text with {SIGN} between them": lambda m: (
        not m.is_of_findings or not any(SIGN in label or label == NO_FINDING for label in m.labels)
    ),
    "an operating point from 0 to 1 for each finding, and for nothing else": lambda m: (
        not m.is_of_findings
        or (set(m.thresholds) == set(m.labels) and _are_shares(m.thresholds.values()))
    ),
    f"format {FORMAT_OF_FINDINGS} of a model of findings, and of no other": lambda m: (
        m.decision is not None or m.is_of_findings == (m.format == FORMAT_OF_FINDINGS)
    ),
    f"format {FORMAT_OF_DECISIONS} of a model with a decision, and of no other": lambda m: (
        (m.decision is not None) == (m.format == FORMAT_OF_DECISIONS)
    ),
    "a decision for the labels of the model": lambda m: (
        m.decision is None or is_sound(m.decision, m.labels, m.is_of_findings)
    ),
    "the operating points of its decision in a model of findings": lambda m: (
        m.decision is None
        or not m.is_of_findings
        or m.decision.thresholds.items() <= m.thresholds.items()
    ),
    f"a model with names of 1 to {LONGEST_NAME} letters": lambda m: all(
        0 < len(name) <= LONGEST_NAME and name.isprintable()
        for name in (m.name, m.head, m.backbone, m.engine)
    ),
    f"a model of 1 to {MOST_FEATURES:,} features": lambda m: 0 < m.features <= MOST_FEATURES,
    f"a precision from {', '.join(PRECISIONS)}": lambda m: m.precision in PRECISIONS,
    f"a network that sees {', '.join(SEE)}": lambda m: m.see in ("", *SEE),
    "other precisions that can be allowed": lambda m: set(m.allows) <= {"int8"},
    "limits of films above 0": lambda m: min(asdict(m.limits).values()) > 0,
    "the digests of files in the model directory": lambda m: (
        all(map(_is_inside, m.files)) and all(map(_is_digest, m.files.values()))
    ),
    f"{ARRAYS} and {REFERENCE} among the files": lambda m: {ARRAYS, REFERENCE} <= set(m.files),
    "a network among the files, or the fake": lambda m: (
        m.network in m.files if m.network else m.engine in (FAKE, TABLE)
    ),
    "the digest of its vectors in a model of vectors made elsewhere": lambda m: (
        m.takes_films or _is_digest(str(m.vectors.get("digest")))
    ),
}
"""What must hold of a model.json beyond the kinds of its entries, by what is expected."""


def check_takes_films(manifest: Manifest) -> None:
    """Refuse to show films to a model whose vectors were made elsewhere.

    Raises:
        InputError: It is one.
    """
    if not manifest.takes_films:
        received = f"{manifest.name}, which has learned from vectors of {manifest.backbone}"
        way_out = "Make vectors of these films as those were made: score --features FILE.parquet"
        raise InputError("a model with a network, to give it films", received, way_out)


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
    """Compute the SHA-256 of every file but model.json, its signature and what is hidden."""
    found = files_in(directory).items()
    return {
        name: digest_of(directory, path) for name, path in found if name not in (NAME, SIGNATURE)
    }


def read_member(directory: Output, manifest: Manifest, name: str) -> bytes:
    """Read a file that model.json names, if it is still the same."""
    data = read_file(directory, name, MOST_ARRAYS) or b""
    if hashlib.sha256(data).hexdigest() != manifest.files[name]:
        raise _changed(directory, name)
    return data


def _seal(entries: Mapping[str, Any]) -> str:
    text = json.dumps(entries, sort_keys=True, ensure_ascii=False)
    # Half a letter, which JSON may hold and UTF-8 may not, makes another seal and no error.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _read_json(directory: Output) -> dict[str, Any]:
    way_out = "Name the model/ of a training"
    try:
        entries = read_json(read_file(directory, NAME, MOST_JSON) or b"null")
    except InputError:
        raise
    except (OSError, ValueError) as error:
        received = f"{directory.table(NAME)} ({error})"
        raise InputError("a model directory", received, way_out) from None
    if not isinstance(entries, dict):
        raise InputError("a model directory", f"no {directory.table(NAME)}", way_out)
    return entries


def _changed(directory: Output, name: str) -> InputError:
    received, way_out = f"{directory.table(name)}, changed since", "Copy the model again, or train"
    return InputError("a model as it was written", received, way_out)
