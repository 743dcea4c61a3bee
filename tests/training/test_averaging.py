"""Two processes that train one network, against one process with the whole batch."""

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from training_tasks import make_finding_task, make_task

from spark_cxr.backbones.keras_model import load
from spark_cxr.errors import SetupError
from spark_cxr.training.team import check_torch

PROGRAM = Path(__file__).with_name("averaging_program.py")


def free_port():
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def run_together(processes, *arguments):
    """Start processes as torchrun does, and wait for all."""
    port = free_port()
    started = []
    for rank in range(processes):
        told = {
            "RANK": rank,
            "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "PYTHONPATH": ":".join([".", str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")]),
        }
        started.append(
            subprocess.Popen(
                [sys.executable, PROGRAM, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=Path(__file__).parents[2],
                env=os.environ | {name: str(value) for name, value in told.items()},
            )
        )
    return [(each.communicate()[0], each.returncode) for each in started]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="no PyTorch: pip install '.[torch]'")
@pytest.mark.parametrize(
    ("kind", "make"), [("classes", make_task), ("findings", make_finding_task)]
)
def test_two_processes_come_to_what_one_comes_to(tmp_path, body, kind, make):
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        make(folder, body)
        told = run_together(processes, folder, body, kind)
        assert [code for _, code in told] == [0] * processes, told
        found.append(load(str(folder / "training" / "weights.keras")).get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
    before = load(str(body)).get_weights()
    moved = [np.abs(one - start).max() for one, start in zip(found[0], before, strict=True)]
    assert max(moved) > 0.01


def test_keras_on_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr("spark_cxr.training.team.find_spec", lambda name: name)
    import keras

    if keras.backend.backend() == "torch":
        pytest.skip("this process has Keras on PyTorch")
    with pytest.raises(SetupError, match="Received: one that has it on tensorflow"):
        check_torch()


def test_a_machine_without_pytorch_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("spark_cxr.training.team.find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install 'spark-cxr\[torch\]'"):
        check_torch()
