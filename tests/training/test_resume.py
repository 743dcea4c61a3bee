"""A training that is killed in the middle of an epoch, and started again."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killed_program import CHANGES
from training_tasks import make_task

from spark_cxr.training.loop import train

PROGRAM = Path(__file__).with_name("killed_program.py")


def run(*arguments):
    told = subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": f".:{PROGRAM.parent}", "KERAS_BACKEND": "tensorflow"},
    )
    return told.returncode, told.stdout + told.stderr


@pytest.mark.parametrize("precision", ["f32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_killed_training_comes_to_the_same_bits(tmp_path, body, precision):
    task = make_task(tmp_path, body, precision=precision, **CHANGES)
    code, told = run(tmp_path, body, precision)
    assert (code, "epoch 2 is over" in told) == (-signal.SIGKILL, False), told
    lines = []
    resumed = train(task, lines.append)
    whole = train(replace(task, folder=tmp_path / "whole"), lines.append)
    assert "training goes on after epoch 1, step 3" in lines
    assert whole.best_epoch > 1
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    for one, other in zip(resumed.head.weights, whole.head.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    kept = [replace(each, seconds=0, images_per_second=0) for each in resumed.history.epochs]
    assert kept == [replace(each, seconds=0, images_per_second=0) for each in whole.history.epochs]
