"""An MLflow store: opened for a while, quiet, with nothing changed for others in the process."""

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

from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.settings import Track

SESSION = "session"
EXPERIMENT = "spark_cxr"
SQLITE = "sqlite:///"
ADDRESS = "MLFLOW_TRACKING_URI"
NOISY = ("alembic", "mlflow.store.db.utils")
"""They tell of every table that they make in a new database."""


def import_mlflow() -> ModuleType:
    """Import MLflow so that it sends nothing about its use to its makers."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow
        import mlflow.pyfunc
    except ImportError as error:
        way_out = "pip install 'spark-cxr[tracking]'"
        raise SetupError("MLflow", str(error), way_out) from None
    return mlflow


@contextmanager
def opened(asked: Track) -> Iterator[ModuleType]:
    """Give MLflow with the store that was asked for, and put back what was set before."""
    mlflow = import_mlflow()
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    # MLflow prints links; a job's stdout is for its one line of JSON.
    with redirect_stdout(sys.stderr):
        if asked.mlflow != SESSION:
            _make_folder(asked.mlflow)
            mlflow.set_tracking_uri(asked.mlflow)
        try:
            yield mlflow
        finally:
            if asked.mlflow != SESSION:
                mlflow.set_tracking_uri(None)  # and takes it out of the environment
                os.environ.update({ADDRESS: before} if before else {})


def experiment_of(mlflow: ModuleType, asked: Track) -> str | None:
    """Find the experiment, or make it; None where MLflow and the session are to choose."""
    client, address = mlflow.MlflowClient(), mlflow.get_tracking_uri()
    is_own = asked.mlflow == SESSION or address.startswith("databricks")
    name = asked.experiment or ("" if is_own else EXPERIMENT)
    if not name:
        client.search_experiments(max_results=1)  # does it answer?
        return None
    found = client.get_experiment_by_name(name)
    if found is None:
        made = client.create_experiment(name, artifact_location=_beside(address, name))
        return str(made)
    if found.lifecycle_stage != "active":
        way_out = "Restore it, or name another with --experiment"
        raise ConfigError("an experiment that was not deleted", f"--experiment={name}", way_out)
    return str(found.experiment_id)


def named(mlflow: ModuleType) -> str:
    """Name the store for people, without a password."""
    return re.sub(r"//[^/@]*@", "//", mlflow.get_tracking_uri())


def _make_folder(address: str) -> None:
    if address.startswith(SQLITE):
        _database(address).parent.mkdir(parents=True, exist_ok=True)


def _beside(address: str, name: str) -> str | None:
    """Keep the files of a local database beside it: MLflow would take the current folder."""
    if not address.startswith(SQLITE):
        return None
    return (_database(address).parent / "mlartifacts" / quote(name, safe=" ")).as_uri()


def _database(address: str) -> Path:
    return Path(unquote(address.removeprefix(SQLITE).partition("?")[0])).absolute()
