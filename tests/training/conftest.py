"""What the tests of training share: a small network, and a task that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_tasks import make_task, save_body

from spark_cxr.training.task import Task


@pytest.fixture(scope="session")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a small network, once."""
    file = tmp_path_factory.mktemp("body") / "tiny.keras"
    save_body(file)
    return file


@pytest.fixture
def task(tmp_path: Path, body: Path) -> Task:
    """Make a small task in a folder of its own."""
    return make_task(tmp_path, body)
