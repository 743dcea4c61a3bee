"""Which weights a network gets: found, fetched and verified once, on the driver."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from spark_cxr.backbones.cache import Say, bring, cache_dir, digest, obtain, to_log
from spark_cxr.backbones.catalog import SHIPPED, Backbone, Embedded
from spark_cxr.backbones.graph_file import digest_of
from spark_cxr.backbones.user_network import read_provenance
from spark_cxr.config import folder_of
from spark_cxr.errors import ConfigError, WeightsError, without_password

EXPECTED = "features.weights as embedded, imagenet, random:SEED, a file or a URI"
RANDOM_CAVEAT = (
    "RANDOM WEIGHTS: this network has learned nothing. Its features are for measuring speed "
    "only; no result made from them means anything"
)
UNVERIFIED_CAVEAT = "Keras publishes no digest for this file: it is used as it was downloaded"
_FILES = (".h5", ".keras")


@dataclass(frozen=True)
class Weights:
    """Weights that are there and were verified."""

    kind: str
    """embedded, imagenet, file, own (inside the user's network), random, or none (the fake)."""
    path: str
    """The file on this host; empty for random and none."""
    sha256: str
    """What identifies them; for random weights the digest of their name."""
    origin: str
    licence: str
    caveat: str = ""
    """What must be said loudly in every output."""
    seed: int = 0


def resolve(text: str, backbone: Backbone, mirror: str = "", say: Say = to_log) -> Weights:
    """Find the weights that `text` names; empty is what goes with the network.

    Args:
        text: embedded, imagenet, random:SEED, a file, a URI, or nothing.
        backbone: The network that is to receive them.
        mirror: Directory or URL with the official files, tried before their origin.
        say: Receives lines of progress.
    """
    if backbone.engines == ("fake",):
        return _without(text, backbone)
    if backbone.file:
        return _own(text, backbone)
    if text == "embedded" or (backbone.embedded and not text):
        return _embedded(backbone)
    if text in ("", "imagenet"):
        return _imagenet(backbone, mirror, say)
    if text.startswith("random"):
        return _random(text)
    return _file(text, backbone, say)


def _without(text: str, backbone: Backbone) -> Weights:
    if text:
        raise ConfigError(f"no weights for {backbone.name}", text, "Leave features.weights empty")
    name = hashlib.sha256(backbone.name.encode()).hexdigest()
    return Weights("none", "", name, "made up", "", "FAKE NETWORK: for tests of everything else")


def _own(text: str, backbone: Backbone) -> Weights:
    if text:
        way_out = "Leave features.weights empty: the file brings its own"
        raise ConfigError(f"no weights beside {backbone.file}", text, way_out)
    path = Path(backbone.file).absolute()
    sha256 = digest_of(path) if backbone.is_graph else digest(path)
    return Weights("own", str(path), sha256, str(path), backbone.licence)


def _embedded(backbone: Backbone) -> Weights:
    if backbone.embedded is None:
        way_out = f"Say --backbone {SHIPPED}, whose weights do; {backbone.name} takes imagenet"
        raise WeightsError("a network whose weights ship with spark_cxr", backbone.name, way_out)
    path = embedded_file(backbone.embedded)
    sha256, origin = backbone.embedded.sha256, "ships with spark_cxr"
    return Weights("embedded", str(path), sha256, origin, backbone.licence)


def embedded_file(file: Embedded) -> Path:
    """Find a network that ships with spark_cxr, and make sure that it is the one."""
    path = folder_of("backbones/embedded") / file.name
    received = digest(path) if path.is_file() else "no such file"
    if received != file.sha256:
        expected = f"{file.name} of spark_cxr with SHA-256 {file.sha256}"
        raise WeightsError(expected, received, "Install spark_cxr again")
    return path


def _imagenet(backbone: Backbone, mirror: str, say: Say) -> Weights:
    if backbone.weights is None:
        way_out = "Leave features.weights empty: it brings its own. Or name a file"
        raise WeightsError("a network with published weights", backbone.name, way_out)
    path, origin = obtain(backbone.weights, mirror, say)
    caveat = "" if backbone.weights.md5 else UNVERIFIED_CAVEAT
    return Weights("imagenet", str(path), digest(path), origin, backbone.licence, caveat)


def _random(text: str) -> Weights:
    given = re.fullmatch(r"random:(\d{1,9})", text)
    if given is None:
        raise ConfigError("random:SEED with a whole number", text, "Say random:0")
    name = hashlib.sha256(text.encode()).hexdigest()
    return Weights("random", "", name, text, "none needed", RANDOM_CAVEAT, int(given[1]))


def _file(text: str, backbone: Backbone, say: Say) -> Weights:
    if not text.endswith(_FILES):
        way_out = "Files end in .weights.h5, .h5 (Keras' official layout) or .keras"
        raise ConfigError(EXPECTED, text, way_out)
    scheme, origin = urlparse(text).scheme, without_password(text)
    path = _fetched(text, say) if "://" in text and scheme != "file" else _local(text)
    official = backbone.weights.md5 if backbone.weights else ""
    if official and digest(path, "md5") == official:
        # Keras builds some networks otherwise for its own files: what counts is what it is.
        return Weights("imagenet", str(path), digest(path), origin, backbone.licence)
    tuned = read_provenance(path)
    licence = tuned.licence if tuned else "as its owner says"
    return Weights("file", str(path), digest(path), origin, licence)


def _local(text: str) -> Path:
    path = Path(text.removeprefix("file:").replace("///", "/", 1)).absolute()
    if not path.is_file():
        raise WeightsError("a file of weights", f"{path} (not there)", "Check features.weights")
    return path


def _fetched(uri: str, say: Say) -> Path:
    """Bring a file from elsewhere, afresh: what lies under a URI may change."""
    name = f"{hashlib.sha256(uri.encode()).hexdigest()[:16]}-{Path(urlparse(uri).path).name}"
    return bring(uri, cache_dir("weights") / name, say)
