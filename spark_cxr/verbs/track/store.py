"""An MLflow store: checked before the work begins, and opened without a change for others.

A typing error then costs seconds. While a store is open MLflow is quiet; afterwards the process has
the settings that it had before.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, unquote

from spark_cxr.errors import ConfigError, SetupError, SparkCxrError, without_password
from spark_cxr.settings import Config, Track

SESSION = "session"
EXPERIMENT = "spark_cxr"
SQLITE = "sqlite:///"
ADDRESS = "MLFLOW_TRACKING_URI"
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Before the work; after it MLflow's own patience of minutes is worth the wait."""
NOISY = ("alembic", "mlflow.store.db.utils")
"""They log every table that they create in a new database."""


def import_mlflow() -> ModuleType:
    """Import MLflow without its telemetry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow
        import mlflow.pyfunc
    except ImportError as error:
        way_out = "pip install 'spark-cxr[tracking]'"
        raise SetupError("MLflow", str(error), way_out) from None
    return mlflow


@contextmanager
def opened(settings: Track) -> Iterator[ModuleType]:
    """Give MLflow with the store of the settings, and restore afterwards what was set before."""
    mlflow = import_mlflow()
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    # MLflow prints links; a job's stdout is for its one line of JSON.
    with redirect_stdout(sys.stderr):
        if settings.mlflow != SESSION:
            if settings.mlflow.startswith(SQLITE):
                _database(settings.mlflow).parent.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(settings.mlflow)
        try:
            yield mlflow
        finally:
            if settings.mlflow != SESSION:
                mlflow.set_tracking_uri(None)  # and takes it out of the environment
                os.environ.update({ADDRESS: before} if before else {})


def experiment_of(mlflow: ModuleType, settings: Track) -> str | None:
    """Find the experiment, or create it; None leaves the choice to MLflow and the session."""
    client, address = mlflow.MlflowClient(), mlflow.get_tracking_uri()
    is_own = settings.mlflow == SESSION or address.startswith("databricks")
    name = settings.experiment or ("" if is_own else EXPERIMENT)
    if not name:
        client.search_experiments(max_results=1)  # does it answer?
        return None
    found = client.get_experiment_by_name(name)
    if found is None:
        place = None  # MLflow's own choice, which for a local database is the current folder
        if address.startswith(SQLITE):
            place = (_database(address).parent / "mlartifacts" / quote(name, safe=" ")).as_uri()
        return str(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage != "active":
        way_out = "Restore it, or name another with --experiment"
        raise ConfigError("an experiment that was not deleted", f"--experiment={name}", way_out)
    return str(found.experiment_id)


def named(mlflow: ModuleType) -> str:
    """Name the store for people, without a password."""
    return without_password(str(mlflow.get_tracking_uri()))


def _database(address: str) -> Path:
    return Path(unquote(address.removeprefix(SQLITE).partition("?")[0])).absolute()


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
    return without_password(lines[0])[:300].rstrip(".")


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
    """Let MLflow give up soon, unless the user has set its patience."""
    added = {name: value for name, value in PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
