"""Local MLflow stores."""

import mlflow
import pytest


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Give the address of one store in SQLite: its tables are made once, which takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="session")
def client(store):
    return mlflow.MlflowClient(store)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """Forget the store that the person who runs the tests has set."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
