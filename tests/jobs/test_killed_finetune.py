"""A fine-tuning that is killed in the middle of an epoch, and the same command again."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training.training_tasks import save_body

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PROGRAM = Path(__file__).with_name("killed_finetune_program.py")


@pytest.fixture(scope="module")
def folder(films, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(films, folder / "films")
    save_body(folder / "small.keras")
    return folder


def start(folder, out):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_NUM_INTRAOP_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(out), str(folder)],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_in_the_third_epoch(folder, out):
    """Kill all of it, Java and the Python workers too, when a step of that epoch is on disk."""
    process = start(folder, out)
    history = out / "history.json"
    while not history.exists() or len(json.loads(history.read_text())) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    before = (out / "checkpoint" / "state.npz").stat().st_mtime_ns
    while (out / "checkpoint" / "state.npz").stat().st_mtime_ns == before:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def digest(out):
    return hashlib.sha256((out / "weights.keras").read_bytes()).hexdigest()


def test_killed_run_comes_to_the_weights_of_one_that_was_not(folder, tmp_path):
    whole = start(folder, tmp_path / "whole")
    killed_in_the_third_epoch(folder, tmp_path / "killed")
    record = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert record["status"] == "running"
    told, again = start(folder, tmp_path / "killed").communicate()
    assert json.loads(told.splitlines()[-1])["status"] == "ok", again
    assert "training goes on after epoch 2, step" in again
    assert whole.communicate()[0]
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    histories = [
        [{k: v for k, v in e.items() if k not in ("seconds", "images_per_second")} for e in h]
        for h in (
            json.loads((tmp_path / n / "history.json").read_text()) for n in ("whole", "killed")
        )
    ]
    assert histories[0] == histories[1]
