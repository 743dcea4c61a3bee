"""Settings as in conf/base.toml, but for the network: tests of all else take the fake one."""

from collections.abc import Mapping
from typing import Any

from spark_cxr import config
from spark_cxr.backbones import catalog, network, weights
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.settings import Config, Features

UNDECIDED: Mapping[str, Any] = {"recalibrate": "none", "coverage": 0.0}
"""No fits for what a model decides: tests that are about it say so."""


def defaults(**changes: Mapping[str, Any]) -> Config:
    """Give the settings of conf/base.toml with `changes`, and no network where none is named."""
    features = {"backbone": "fake", **changes.get("features", {})}
    train = {**UNDECIDED, **changes.get("train", {})}
    look = {"films_a_class": 0, **changes.get("look", {})}
    return config.defaults(**{**changes, "features": features, "train": train, "look": look})


def wanted(backbone: str, **changes: Any) -> Features:
    """Ask for a network; all else is as in conf/base.toml."""
    return defaults(features={"backbone": backbone, **changes}).features


def fake_plan(batch_size: int = 4, threads: int = 1) -> Plan:
    """Plan to run the fake network, which needs no file."""
    row = catalog.get("fake")
    fake = network.prepare(row, weights.resolve("", row), "fake")
    return Plan(fake, threads, batch_size=batch_size)
