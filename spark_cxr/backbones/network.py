"""The one file that an executor needs of a network: built once on the driver, found by content.

A stored zip: `meta.json`, and `network.xml` + `network.bin` for OpenVINO or `network.keras` for
Keras. The large member begins on a page, so that all workers of a host map the same memory.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from spark_cxr.backbones import network_file
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.download import Say, to_stderr
from spark_cxr.backbones.keras_model import POOLINGS
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import ConfigError, SetupError, WeightsError
from spark_cxr.settings import nearest

PREPROCESSING = 1
"""Goes up when resizing or normalising changes: features of different numbers do not mix."""
FORMAT = 1
"""Of the file."""


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


def prepare(
    backbone: Backbone, weights: Weights, engine: str, pooling: str = "avg", say: Say = to_stderr
) -> Network:
    """Build the file of a network in the cache, or take the one that is there."""
    if pooling not in POOLINGS:
        raise ConfigError("features.pooling by name", pooling, nearest(pooling, POOLINGS))
    wanted = Network(
        backbone=backbone.name,
        size_hw=backbone.size_hw,
        dim=backbone.dim,
        normalising=backbone.normalising,
        pooling=pooling,
        engine=engine,
        weights=weights,
    )
    if engine == "fake":
        return wanted
    target = cache_dir("networks") / f"{backbone.name}-{engine}-{key(wanted)[:16]}.network"
    with locked(target):
        if not _is_whole(target):
            say(f"network: {backbone.name} is made ready for {engine}")
            with whole(target) as half:
                network_file.write(half, backbone, wanted)
    return read(target)


def key(network: Network) -> str:
    """Identify features: two networks of the same key make the same vectors."""
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
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
