"""The files for spark-submit --properties-file, and the script that finds GPUs."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pyspark
import pytest

from spark_cxr.errors import SetupError
from spark_cxr.pipeline import local_settings, session

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(CONF.glob("*.conf"))
SCRIPT = CONF / "discover_gpus.sh"
CONSTANTS = re.compile(
    r"/(config|conf|Config|SQLConf|StaticSQLConf|internal|launcher|k8s)\b.*class$"
)
PREFIXES = (
    "spark.executorEnv.",
    "spark.executor.resource.",
    "spark.task.resource.",
    "spark.kubernetes.driver.volumes.",
    "spark.kubernetes.executor.volumes.",
)
"""Behind these stand names of one's own."""


def properties(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def found(tmp_path, listing, **environment):
    """Run the script beside an nvidia-smi that does what `listing` says."""
    stub = tmp_path / "nvidia-smi"
    stub.write_text(f"#!/bin/sh\n{listing}\n")
    stub.chmod(0o755)
    known = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    path = {"PATH": f"{tmp_path}:{known['PATH']}"}
    return subprocess.run(
        [SCRIPT], env=known | path | environment, capture_output=True, text=True, check=False
    )


def documented(path):
    """Give the properties that a file names in its comments, for one manager or another."""
    return dict(re.findall(r"^#   (spark\.\S+)\s+(\S+)$", path.read_text(encoding="utf-8"), re.M))


def test_there_is_a_file_for_cpus_one_for_clusters_one_for_gpus_and_one_for_passes():
    assert [path.name for path in FILES] == ["cluster.conf", "cpu.conf", "gpu.conf", "pass.conf"]


def test_a_pass_differs_from_one_machine_only_in_its_jvm():
    machine, passes = properties(CONF / "cpu.conf"), properties(CONF / "pass.conf")
    jvm = local_settings.local_settings("score", {})
    del jvm[local_settings.PAGE]  # a file is for clusters, too, whose page people look at
    assert passes == machine | jvm


def test_a_cluster_differs_from_one_machine_only_in_what_it_adds():
    machine, cluster = properties(CONF / "cpu.conf"), properties(CONF / "cluster.conf")
    del machine["spark.master"]  # a cluster has a name
    assert {key: cluster.get(key) for key in machine} == machine
    assert cluster.keys() - machine.keys() == {
        "spark.executor.cores",
        "spark.executorEnv.SPARK_CXR_CACHE",
    }


def test_each_manager_has_its_properties_and_all_say_where_python_is():
    told = (CONF / "cluster.conf").read_text(encoding="utf-8").split("\n# --- ")[1:]
    assert [block.split(":")[0] for block in told] == ["Standalone", "YARN", "Kubernetes"]
    assert all("spark.pyspark.python " in block for block in told)
    assert len(documented(CONF / "cluster.conf")) > 10


def test_every_property_is_one_that_spark_knows():
    """Look for each in the constants of Spark's own classes."""
    jars = Path(pyspark.__file__).parent / "jars"
    parts = ("core", "common-utils", "sql-api", "catalyst", "sql", "launcher", "yarn", "kubernetes")
    classes = b""
    for part in parts:
        for jar in jars.glob(f"spark-{part}_*.jar"):
            with zipfile.ZipFile(jar) as inside:
                names = [n for n in inside.namelist() if CONSTANTS.search(n)]
                classes += b"".join(inside.read(name) for name in names)
    known = {found.decode() for found in re.findall(rb"(?:spark)?\.[a-zA-Z0-9.]+", classes)}
    given = {key for path in FILES for key in (*properties(path), *documented(path))}
    unknown = {key for key in given if not key.startswith(PREFIXES)} - known
    # Some are made of two constants.
    halves = {key: re.fullmatch(r"(.+)(\..+)", key).groups() for key in unknown}
    assert [key for key, (start, end) in halves.items() if not {start, end} <= known] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_property_stands_below_a_comment_that_says_why(path):
    above = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        assert not line.startswith("spark.") or above.startswith(("#", "spark.")), line
        above = line


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_property_is_overruled_by_what_jobs_set_themselves(path):
    given = properties(path)
    assert {key: given.get(key, value) for key, value in session.RUNTIME.items()} == session.RUNTIME


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_the_replaced_defaults_hold_stands_in_the_file_too(path):
    replaced = properties(CONF / "local" / "spark-defaults.conf")
    del replaced["spark.master"]  # GPUs want a cluster
    given = properties(path)
    assert {key: given.get(key) for key in replaced} == replaced


@pytest.mark.parametrize(
    ("listing", "visible", "addresses"),
    [
        ("echo 0", None, ["0"]),
        ("printf '0\\n1\\n2\\n'", None, ["0", "1", "2"]),
        ("printf '0\\n1\\n2\\n'", "2,1", ["0", "1"]),
        ("printf '0\\n1\\n2\\n'", "GPU-5ebe9f43", ["0"]),
    ],
)
def test_the_script_numbers_the_gpus_as_programs_will(tmp_path, listing, visible, addresses):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    done = found(tmp_path, listing, **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": addresses}


@pytest.mark.parametrize(
    ("listing", "environment", "told"),
    [
        ("exit 127", {"PATH": "/usr/bin:/bin"}, "nvidia-smi on the PATH. Received: none on "),
        ("echo no driver; exit 9", {}, "nvidia-smi to list GPUs. Received: no driver. "),
        ("echo No devices were found", {}, "Received: none listed by nvidia-smi. "),
        ("echo 0", {"CUDA_VISIBLE_DEVICES": "-1"}, "Received: CUDA_VISIBLE_DEVICES='-1'. "),
    ],
    ids=["no driver", "a broken driver", "no GPU", "all GPUs hidden"],
)
def test_the_script_fails_in_one_line_where_there_is_no_gpu(tmp_path, listing, environment, told):
    done = found(tmp_path, listing, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("discover_gpus: Expected ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("master", ["local", "local[*]", "local[2]", "local[4,3]"])
def test_gpus_for_tasks_on_one_machine_are_refused_before_spark_waits_for_them(master):
    asked = {"spark.master": master, session.GPUS_OF_A_TASK: "1"}
    with pytest.raises(SetupError) as caught:
        session._refuse_endless_wait(asked.get)
    assert str(caught.value) == (
        f"Expected a cluster, whose workers offer GPUs to tasks. Received: spark.master={master}. "
        "Name the cluster with --master; on one machine leave conf/gpu.conf out, --device gpu "
        "finds the GPU."
    )


@pytest.mark.parametrize(
    ("master", "amount"),
    [("local[*]", "0"), ("spark://host:7077", "1"), ("local-cluster[2,1,1024]", "1"), ("", "0.5")],
)
def test_clusters_may_give_gpus_to_tasks(master, amount):
    session._refuse_endless_wait({"spark.master": master, session.GPUS_OF_A_TASK: amount}.get)
