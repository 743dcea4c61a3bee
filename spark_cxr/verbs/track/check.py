"""Whether tracking will work, asked before the work begins: a typing error costs seconds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from spark_cxr.errors import ConfigError, SetupError, SparkCxrError
from spark_cxr.settings import Config
from spark_cxr.verbs.track.store import experiment_of, named, opened

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Before the work; after it MLflow's own patience, which is minutes, is worth its time."""


def check_tracking(cfg: Config) -> None:
    """Refuse settings that lead nowhere and a store that does not answer.

    Raises:
        ConfigError: The settings contradict themselves, or hold a password.
        SetupError: MLflow is not installed, or its store does not answer.
    """
    check_flags(cfg)
    if not cfg.track.mlflow:
        return
    with opened(cfg.track) as mlflow, _impatient():
        try:
            experiment_of(mlflow, cfg.track)
        except SparkCxrError:
            raise
        except Exception as error:  # noqa: BLE001 - each store has errors of its own
            received = f"{named(mlflow)} ({gist(error)})"
            way_out = "Start or name another, like sqlite:////data/mlflow.db, or leave --mlflow out"
            raise SetupError("an MLflow store that answers", received, way_out) from None


def gist(error: BaseException) -> str:
    """Give the first line of an error, without passwords."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"//[^/@\s]*@", "//", lines[0])[:300].rstrip(".")


def check_flags(cfg: Config) -> None:
    """Refuse settings that contradict themselves, or hold a password."""
    track, registry = cfg.track, cfg.registry
    if registry.alias and not registry.register:
        received, way_out = f"--alias={registry.alias}", "Add --register NAME"
        raise ConfigError("a name to register the model under", received, way_out)
    if registry.register and not track.mlflow:
        received, way_out = f"--register={registry.register}", "Add --mlflow"
        raise ConfigError("an MLflow store to register in", received, way_out)
    if re.search(r"//[^/@]*:[^/@]*@", track.mlflow):
        way_out = "Set MLFLOW_TRACKING_URI and say --mlflow session"
        received = "one that settings, reports and the process list would show"
        raise ConfigError("an --mlflow without a password", received, way_out)


@contextmanager
def _impatient() -> Iterator[None]:
    """Let MLflow give up soon, unless the user has said how patient it is to be."""
    added = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
