"""The networks that turn a film into a vector, one row each."""

from __future__ import annotations

from dataclasses import dataclass

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest


@dataclass(frozen=True)
class Backbone:
    """What has to be known of a network before it runs."""

    name: str
    size_hw: tuple[int, int]
    dim: int
    """Length of the vector: features averaged over the image."""
    engines: tuple[str, ...]
    """What can run it, the preferred one first."""


BACKBONES = {
    "fake": Backbone(name="fake", size_hw=(64, 64), dim=128, engines=("fake",)),
}


def names() -> tuple[str, ...]:
    """Give the names of all networks."""
    return tuple(BACKBONES)


def get(name: str) -> Backbone:
    """Find a network by name."""
    if name not in BACKBONES:
        raise ConfigError("features.backbone by name", name, nearest(name, names()))
    return BACKBONES[name]
