"""Which device a task's network runs on: the one that Spark gave, unless one was ruled out."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from spark_cxr.backbones.engines import devices
from spark_cxr.errors import SetupError
from spark_cxr.pipeline import networks
from spark_cxr.pipeline.networks import cores_of_a_task, make_plan, on_this_worker
from spark_cxr.pipeline.session import GPUS_OF_A_TASK
from tests.quick import wanted

ON_A_CLUSTER = {"spark.master": "spark://host:7077"}


def session(**settings):
    """Stand in for a session of a cluster, of which only the settings are asked."""
    return SimpleNamespace(
        conf=SimpleNamespace(get=lambda key, other=None: (ON_A_CLUSTER | settings).get(key, other)),
        version="4.0.0",
    )


@pytest.fixture
def in_a_task_with_gpu_3(monkeypatch):
    given = SimpleNamespace(addresses=["3", "5"])
    context = SimpleNamespace(resources=lambda: {"gpu": given})
    monkeypatch.setattr(networks, "TaskContext", SimpleNamespace(get=lambda: context))
    monkeypatch.setattr(networks, "SparkFiles", SimpleNamespace(getRootDirectory=lambda: "."))


@pytest.mark.parametrize(
    ("engine", "asked", "device"),
    [
        ("keras", "auto", "gpu:3"),
        ("keras", "gpu", "gpu:3"),
        ("keras", "gpu:1", "gpu:1"),
        ("keras", "cpu", "cpu"),
        ("openvino", "auto", "auto"),
    ],
)
def test_a_task_takes_the_gpu_that_it_was_given(in_a_task_with_gpu_3, engine, asked, device):
    plan = make_plan(session(), wanted("fake"))
    network = replace(plan.network, engine=engine)
    assert on_this_worker(replace(plan, network=network, device=asked)).device == device


@pytest.mark.parametrize(
    ("amount", "asked", "device"),
    [("1", "auto", "gpu"), ("0.5", "auto", "gpu"), ("0", "auto", "auto"), ("1", "cpu", "cpu")],
)
def test_auto_means_the_gpu_where_each_task_is_given_one(amount, asked, device):
    spark = session(**{GPUS_OF_A_TASK: amount})
    assert make_plan(spark, wanted("fake", device=asked)).device == device


def test_an_engine_for_cpus_stays_on_the_cpu_of_a_task_with_a_gpu():
    spark = session(**{GPUS_OF_A_TASK: "1"})
    assert networks._device_wanted(spark, wanted("ResNet50", engine="openvino")) == "auto"


def test_a_gpu_that_this_machine_has_not_is_refused_before_spark_starts_a_task(
    spark, monkeypatch, tmp_path
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "DEV", tmp_path)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    with pytest.raises(SetupError) as caught:
        make_plan(spark, wanted("MobileNetV2", weights="random:0", device="gpu"))
    assert str(caught.value) == (
        "Expected a GPU on this machine. Received: none (CUDA_VISIBLE_DEVICES: not set). "
        "Check nvidia-smi, or say --device cpu."
    )


@pytest.mark.parametrize("node", ["nvidia0", "dxg", "kfd"])
def test_a_gpu_that_linux_knows_is_left_to_the_framework(monkeypatch, tmp_path, node):
    (tmp_path / node).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "DEV", tmp_path)
    devices.refuse_missing_gpu()


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_gpu_that_is_hidden_is_refused(monkeypatch, tmp_path, visible):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(devices, "DEV", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(SetupError, match=r"CUDA_VISIBLE_DEVICES: (empty|-1)"):
        devices.refuse_missing_gpu()


@pytest.mark.parametrize(
    ("own", "cores", "gpus", "each", "threads"),
    [
        (4, 4, 1, 1, 4),  # conf/gpu.conf
        (1, 16, 1, 1, 16),  # one GPU lets one task run, whatever a task is reckoned to take
        (1, 16, 4, 1, 4),
        (1, 16, 1, 0.25, 4),
        (8, 16, 4, 1, 8),
        (2, 0, 1, 1, 2),  # standalone, where an executor takes all cores of its host
        (1, 16, 0, 0, 1),
    ],
)
def test_a_task_with_a_gpu_decodes_with_all_cores_that_nobody_else_can_use(
    own, cores, gpus, each, threads
):
    assert cores_of_a_task(own, cores, gpus, each) == threads
