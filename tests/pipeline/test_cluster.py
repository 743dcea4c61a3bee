"""A real standalone cluster: executors of their own, GPUs given to tasks, networks shipped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyspark
import pytest

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import featurize
from spark_cxr.backbones.network import read
from spark_cxr.phantoms import phantoms

pytestmark = pytest.mark.slow
SHIPS = pyspark.__version__ >= "4"
ships = pytest.mark.skipif(not SHIPS, reason="PySpark 3.5 ships no file with a session")

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("cluster_program.py")
SPARK = Path(pyspark.__file__).parent

ONE_EACH = """#!/bin/sh
# Two GPUs on this host, one for each of its two workers: who asks first gets the first.
for gpu in 0 1; do
  mkdir "$(dirname "$0")/taken-$gpu" 2>/dev/null || continue
  echo "{\\"name\\": \\"gpu\\", \\"addresses\\": [\\"$gpu\\"]}"
  exit
done
exit 1
"""
NVIDIA_SMI = """#!/bin/sh
echo 0
echo 1
"""


def executable(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def home(folder):
    """Lay out a SPARK_HOME of links: the workers of a local cluster write to SPARK_HOME/work."""
    folder.mkdir()
    for name in ("bin", "jars", "python"):
        (folder / name).symlink_to(SPARK / name)
    return folder


def said(folder, master, script, gpus_a_worker, *wanted):
    """Submit the program to a cluster of its own, with conf/gpu.conf in a smaller size."""
    settings = {
        "spark.executor.memory": "512m",
        "spark.executor.cores": "1",
        "spark.task.cpus": "1",
        "spark.worker.resource.gpu.amount": gpus_a_worker,
        "spark.worker.resource.gpu.discoveryScript": script,
        "spark.executorEnv.SPARK_CXR_CACHE": folder / "of-workers",
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.ui.enabled": "false",
    }
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    environment = {
        "SPARK_HOME": str(home(folder / "spark")),
        "SPARK_CONF_DIR": str(ROOT / "conf" / "local"),
        # To be found from the driver's working directory, and not from an executor's: as if the
        # workers were on other hosts.
        "SPARK_CXR_CACHE": "of-driver",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{folder / 'bin'}:{known['PATH']}",
    }
    done = subprocess.run(
        [
            *(folder / "spark" / "bin" / "spark-submit", "--master", master),
            *("--properties-file", ROOT / "conf" / "gpu.conf"),
            *(word for key, value in settings.items() for word in ("--conf", f"{key}={value}")),
            *(PROGRAM, folder, *wanted),
        ],
        env=known | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "said.json").read_text())


@pytest.fixture(scope="module")
def drawn():
    return {p.name.replace("/", "-"): p.data for p in phantoms(7, 3, 96, ("png", "jpeg"), 0)}


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory, drawn):
    """Two workers with a core and a GPU each, whose caches are not the driver's."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "films").mkdir()
    for name, data in drawn.items():
        (folder / "films" / name).write_bytes(data)
    script = executable(folder / "discover" / "one_each.sh", ONE_EACH)
    wanted = ["featurize"] if SHIPS else []
    return folder, said(folder, "local-cluster[2,1,1024]", script, 1, *wanted)


def test_each_of_two_workers_saw_its_own_gpu(two_workers):
    told = two_workers[1]["devices"]
    assert {each["device"] for each in told} == {"gpu:0", "gpu:1"}
    assert len({each["executor"] for each in told}) == 2


def test_two_executors_of_one_host_share_out_what_the_shipped_script_finds(tmp_path):
    executable(tmp_path / "bin" / "nvidia-smi", NVIDIA_SMI)
    script = ROOT / "conf" / "discover_gpus.sh"
    told = said(tmp_path, "local-cluster[1,2,1024]", script, 2)["devices"]
    assert {each["device"] for each in told} == {"gpu:0", "gpu:1"}
    assert len({each["executor"] for each in told}) == 2


@ships
def test_features_of_a_shipped_network_equal_features_without_spark(two_workers, drawn):
    folder, told = two_workers
    (network,) = (folder / "of-driver" / "networks").glob("*.network")
    plan = Plan(read(network), batch_size=4, precision="f32")
    expected = dict(zip(drawn, featurize(list(drawn.values()), plan), strict=True))
    assert told["features"].keys() == expected.keys()
    for name, vector in expected.items():
        np.testing.assert_allclose(told["features"][name], vector, atol=1e-4)


@ships
def test_workers_of_one_host_keep_the_shipped_network_in_their_own_cache(two_workers):
    folder, _ = two_workers
    of_driver, of_workers = (folder / name / "networks" for name in ("of-driver", "of-workers"))
    assert [path.name for path in of_workers.glob("*.network")] == [
        path.name for path in of_driver.glob("*.network")
    ]
