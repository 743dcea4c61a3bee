"""Jobs with conf/cpu.conf and conf/gpu.conf, as a user submits them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUBMIT = Path(sys.executable).parent / "spark-submit"
JOB = ("jobs/featurize.py", "--backbone", "MobileNetV2", "--weights", "random:0")


def submitted(tmp_path, conf, *words):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    return subprocess.run(
        [SUBMIT, "--properties-file", f"conf/{conf}", *JOB, "--out", tmp_path / "F", *words],
        cwd=ROOT,
        env={**known, "SPARK_CXR_CACHE": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_cpu_conf_featurizes_on_this_machine(films, tmp_path):
    done = submitted(tmp_path, "cpu.conf", "--images", films / "Pneumonia")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    files = [path for path in (films / "Pneumonia").rglob("*") if path.is_file()]
    assert said["files"] == len(files) == said["images"] + said["quarantined"]
    assert said["used"]["engine"] == "openvino"
    record = json.loads((tmp_path / "F" / "run.json").read_text())
    assert record["session"]["master"] == "local[*]"


@pytest.mark.parametrize(
    ("conf", "told"),
    [
        ("cpu.conf", "Expected a GPU on this machine. Received: none "),
        ("gpu.conf", "Expected a cluster, whose workers offer GPUs to tasks. Received: "),
    ],
)
def test_a_gpu_that_is_not_there_ends_in_one_line(films, tmp_path, conf, told):
    done = submitted(tmp_path, conf, "--images", films / "Pneumonia", "--device", "gpu")
    assert done.returncode == 2
    said = (done.stdout + done.stderr).splitlines()  # spark-submit puts both into one
    lines = [line for line in said if not line.startswith("WARNING: Using incubator")]  # Java's
    assert len(lines) == 1
    assert lines[0].startswith(f"featurize: {told}")
