"""The program that `make test-gpu` ends with, as far as it goes without a GPU."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import gpu_speed

IMPORTS = """
import json, sys, sysconfig
import benchmarks.gpu_speed
site = sysconfig.get_paths()["purelib"]
files = {name.split(".")[0]: getattr(each, "__file__", None) or ""
         for name, each in sys.modules.items() if not name.startswith("_")}
print(json.dumps([name for name, file in files.items() if file.startswith(site)]))
"""


def test_it_needs_keras_and_a_framework_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert set(json.loads(done.stdout)) <= {"numpy", "filelock"}


def test_contestants_take_turns_and_the_median_counts(monkeypatch):
    turns, clock = [], [0.0]
    monkeypatch.setattr(gpu_speed.time, "perf_counter", lambda: clock[0])

    def contestant(name, seconds):
        def run(films):
            turns.append(name)
            clock[0] += seconds * (9 if len(turns) == 5 else 1)  # a turn that is disturbed
            return np.zeros((len(films), 1), np.float32)

        return run

    films = np.zeros((4, 1, 1, 1), np.uint8)
    contestants = {"one": contestant("one", 0.5), "two": contestant("two", 2.0)}
    rates = gpu_speed.measure(contestants, films, rounds=3, seconds=0.0)
    assert rates == {"one": 8.0, "two": 2.0}
    assert turns[4:] == ["one", "two"] * 3


def test_vectors_that_differ_from_the_cpu_are_refused(monkeypatch):
    class Drawn:
        def __init__(self, plan):
            self.seed = {"cpu": 0, "gpu": 1}[plan.device]

        def features(self, films):
            return np.random.default_rng(self.seed).standard_normal((len(films), 9))

    monkeypatch.setattr(gpu_speed, "load", Drawn)
    from tests.quick import fake_plan

    with pytest.raises(Exception, match=r"a cosine of 0\.99 to the CPU"):
        gpu_speed.check_vectors(fake_plan().network, "gpu")


def test_the_pass_of_a_worker_is_measured_from_files(capsys):
    from tests.quick import fake_plan

    assert gpu_speed.from_files(fake_plan(batch_size=8)) > 0
    said = capsys.readouterr().out
    assert "decoding threads: " in said and said.endswith("% of the time\n")


@pytest.mark.skipif(find_spec("torch") is None, reason="no PyTorch")
def test_the_network_of_pytorch_has_the_size_of_ours():
    network = gpu_speed.resnet50()
    weights = sum(each.numel() for each in network.parameters())
    # 25,557,032 of torchvision's, less the 2,049,000 of its classifier.
    assert weights == 23_508_032
    run = gpu_speed.torch_runner("cpu")
    assert run(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 2048)
