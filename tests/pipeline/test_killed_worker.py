"""A Python worker that dies in mid-task costs time and no features."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.phantoms import phantoms

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("killed_worker_program.py")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="finds workers in Linux' /proc")
def test_features_are_the_same_after_a_worker_was_killed(tmp_path):
    (tmp_path / "films").mkdir()
    for drawn in phantoms(24, 3, 96, ("png", "jpeg"), 0):
        (tmp_path / "films" / drawn.name.replace("/", "-")).write_bytes(drawn.data)
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    mine = {"PYTHONPATH": str(ROOT), "SPARK_CXR_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path],
        env=known | mine,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "said.json").read_text())
    assert len(said["killed"]) == 1
    assert said["failed"] == 1
    assert len(said["disturbed"]) == 24
    assert said["disturbed"].keys() == said["undisturbed"].keys()
    for name, vector in said["undisturbed"].items():
        np.testing.assert_allclose(said["disturbed"][name], vector, atol=1e-6)
