"""Settings as in conf/base.toml, but for the network: tests of all else take the fake one."""

from collections.abc import Mapping
from typing import Any

from spark_cxr import config
from spark_cxr.settings import Config


def defaults(**changes: Mapping[str, Any]) -> Config:
    """Give the settings of conf/base.toml with `changes`, and no network where none is named."""
    features = {"backbone": "fake", **changes.get("features", {})}
    return config.defaults(**{**changes, "features": features})
