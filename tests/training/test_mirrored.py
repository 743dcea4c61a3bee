"""Two devices of one process, as TensorFlow makes them of one processor: no GPU is needed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_tasks import make_task

from spark_cxr.backbones.keras_model import load

PROGRAM = Path(__file__).with_name("mirrored_program.py")


@pytest.mark.slow
def test_two_devices_come_to_what_one_comes_to(tmp_path, body):
    found = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        make_task(folder, body)
        told = subprocess.run(
            [sys.executable, PROGRAM, str(count), folder, body],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": f".:{PROGRAM.parent}", "KERAS_BACKEND": "tensorflow"},
        )
        assert told.returncode == 0, told.stderr[-2000:]
        found.append(load(str(folder / "training" / "weights.keras")).get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
