"""Jobs on a standalone cluster whose nodes know nothing of this checkout: make cluster-demo's."""

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyspark
import pytest
from standalone import ROOT, bare, command_of, standalone

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.featurize import featurize
from spark_cxr.backbones.network import prepare, read
from spark_cxr.backbones.weights import resolve
from spark_cxr.phantoms import phantoms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def demo(cluster):
    """Run the script of make cluster-demo on the cluster."""
    with subprocess.Popen(
        [ROOT / "conf" / "local" / "cluster_demo.sh"],
        cwd=cluster.folder,
        env=bare() | cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as script:
        try:
            told, _ = script.communicate(timeout=1500)
        except BaseException:  # also what it has started
            os.killpg(script.pid, signal.SIGTERM)
            raise
    assert script.returncode == 0, told
    return cluster.folder


def rows(folder):
    return pq.read_table(folder).to_pylist()


def test_driver_and_executors_have_the_package_from_the_wheel_and_nowhere_else(cluster, tmp_path):
    cluster.submit(HERE / "cluster_origin_program.py", tmp_path / "said.json")
    said = json.loads((tmp_path / "said.json").read_text())
    executors = said["executors"]
    assert {Path(each["executor"]).parents[1].name for each in executors} == {
        "worker-1",
        "worker-2",
    }
    for each in (said["driver"], *executors):
        assert each["origin"].endswith("/spark_cxr.zip/spark_cxr/__init__.py")
        assert each["python"] == str(cluster.folder / "env")
        ours = [path for path in each["path"].split(os.pathsep) if path.startswith(str(ROOT))]
        # Of the checkout there is Spark itself, and the folder of the script that was started.
        assert [p for p in ours if "/site-packages/pyspark/" not in p and p != str(HERE)] == []
    assert {each["cache"] for each in executors} == {"./spark_cxr"}
    assert said["settings"]
    assert not Path(said["conf"]).exists()  # unpacked for that process only


def test_the_nodes_have_no_package_of_their_own(cluster):
    done = subprocess.run(
        [cluster.folder / "env" / "bin" / "python", "-c", "import numpy, spark_cxr"],
        cwd=cluster.folder,
        env=bare(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named 'spark_cxr'" in done.stderr


def test_ingest_accounts_for_each_file(demo):
    films = [path for path in (demo / "films").rglob("*") if path.is_file()]
    films = {path.name for path in films if path.suffix not in (".csv", ".json")}
    found = [
        row["path"] for name in ("images", "quarantine") for row in rows(demo / "tables" / name)
    ]
    assert len(found) == 120
    assert {path.rpartition("/")[2] for path in found} == films


def test_featurize_gives_each_film_the_vector_of_a_single_process(demo):
    used = json.loads((demo / "vectors/run.json").read_text())["used"]
    row = catalog.get("CXRNet")
    network = prepare(row, resolve("", row), "openvino")
    assert used["engine"] == network.engine
    plan = Plan(network, precision=used["precision"])
    made = {
        row["path"].removeprefix("file:"): row["features"]
        for row in rows(demo / "vectors/features")
    }
    expected = featurize([Path(path).read_bytes() for path in made], plan)
    for vector, wanted in zip(made.values(), expected, strict=True):
        np.testing.assert_allclose(vector, wanted, atol=1e-5)


def test_training_leaves_a_model_and_its_figures(demo):
    record = json.loads((demo / "trained" / "run.json").read_text())
    assert record["session"]["master"].startswith("spark://127.0.0.1:")
    assert (record["status"], record["git"]) == ("ok", None)  # it ran from an archive
    assert (demo / "trained" / "report.html").is_file()
    assert (demo / "trained" / "model" / "model.json").is_file()


@pytest.mark.skipif(pyspark.__version__ < "4", reason="PySpark 3.5 ships no file with a session")
def test_a_network_reaches_executors_that_have_other_caches(cluster, tmp_path):
    """Build it on a driver with TensorFlow, run it on nodes that have only OpenVINO."""
    drawn = {p.name.replace("/", "-"): p.data for p in phantoms(8, 3, 96, ("png", "jpeg"), 0)}
    (tmp_path / "films").mkdir()
    for name, data in drawn.items():
        (tmp_path / "films" / name).write_bytes(data)
    said = cluster.submit(
        *(ROOT / "jobs" / "featurize.py", "--images", tmp_path / "films", "--out", tmp_path / "F"),
        *("--labels", "none", "--backbone", "MobileNetV2", "--weights", "random:0"),
        *("--precision", "f32"),
        environment={"SPARK_CXR_CACHE": str(tmp_path / "of-driver")},
        spark_pyspark_driver_python=ROOT / ".venv" / "bin" / "python",
        spark_sql_files_openCostInBytes="100m",  # a film a task, for both executors to have some
    )
    assert (said["images"], said["used"]["engine"]) == (8, "openvino")
    (network,) = (tmp_path / "of-driver" / "networks").glob("*.network")
    kept = list(cluster.folder.glob(f"worker-*/app-*/*/spark_cxr/networks/{network.name}"))
    assert {path.relative_to(cluster.folder).parts[0] for path in kept} == {"worker-1", "worker-2"}
    plan = Plan(read(network), batch_size=4, precision="f32")
    expected = dict(zip(drawn, featurize(list(drawn.values()), plan), strict=True))
    for row in rows(tmp_path / "F" / "features"):
        name = row["path"].rpartition("/")[2]
        np.testing.assert_allclose(row["features"], expected[name], atol=1e-4)


def test_nothing_is_left_of_a_cluster_when_its_command_ends(tmp_path, cluster):
    """Take what the nodes have from the cluster that is there: to install it again takes long."""
    (tmp_path / "env").symlink_to(cluster.folder / "env")
    names = ("master", "worker-1", "worker-2")
    with standalone(tmp_path) as other:
        pids = [other.pid(name) for name in names]
        assert all("spark.deploy" in command_of(pid) for pid in pids)
    assert [pid for pid in pids if "spark.deploy" in command_of(pid)] == []


def test_scoring_twice_leaves_one_row_a_film(demo):
    assert_one_row_each(demo / "scores", demo)


def test_an_executor_that_is_killed_while_it_scores_costs_no_film(demo, cluster):
    with scoring(cluster, demo, "scores-executor") as job:
        killed = cluster.kill_executor("worker-1")
        assert job.poll() is None
        assert killed is not None
    assert_one_row_each(demo / "scores-executor", demo)


def test_a_node_that_is_lost_while_it_scores_costs_no_film(demo, cluster, tmp_path):
    (tmp_path / "env").symlink_to(cluster.folder / "env")
    with standalone(tmp_path) as other:
        with scoring(other, demo, "scores-node") as job:
            lost = other.pid("worker-2"), other.executor("worker-2")
            for pid in lost:
                os.kill(pid, signal.SIGKILL)
            assert job.poll() is None
        assert_one_row_each(demo / "scores-node", demo)


@contextmanager
def scoring(cluster, demo, table):
    """Score in small batches; the block runs when both executors have Python workers at work."""
    words = ("--model", demo / "trained" / "model", "--images", demo / "films")
    batches = ("--max-files-per-trigger", "10", "--table", demo / table)
    with cluster.start(ROOT / "jobs" / "score.py", *words, *batches) as job:
        try:
            for _ in range(600):
                if all(cluster.workers_of(name) for name in ("worker-1", "worker-2")):
                    break
                assert job.poll() is None, job.stdout.read()
                time.sleep(0.2)
            yield job
            told, _ = job.communicate(timeout=280)
        finally:
            job.kill()
    assert job.returncode == 0, told


def assert_one_row_each(table, demo):
    """Hold a table of scores against the films that ingest found good."""
    expected = sorted(row["path"] for row in rows(demo / "tables" / "images"))
    assert sorted(row["path"] for row in rows(table)) == expected
