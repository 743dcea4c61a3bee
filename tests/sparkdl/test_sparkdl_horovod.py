"""HorovodRunner: the function here, or handed to PySpark's distributor; PyTorch is played."""

import os

import numpy as np
import pytest
from pyspark.ml.torch import distributor

from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.sparkdl import horovod
from spark_cxr.sparkdl.horovod import HorovodRunner, LogCallback, log_to_driver


@pytest.mark.parametrize("count", [0, -1, -4])
def test_without_processes_the_function_is_called_here(count):
    runner = HorovodRunner(np=count, driver_log_verbosity="all")
    assert runner.run(lambda a, b: (os.getpid(), a + b), a=1, b=2) == (os.getpid(), 3)


def test_np_is_needed_by_name_and_the_verbosity_checked():
    with pytest.raises(TypeError):
        HorovodRunner(-1)
    with pytest.raises(ConfigError, match="Did you mean log_callback_only"):
        HorovodRunner(np=-1, driver_log_verbosity="log_callbacks_only")


def test_a_function_that_wants_horovod_is_told_from_one_that_lacks_another_module():
    def main():
        import horovod.torch  # noqa: F401

    def other():
        import no_such_module  # noqa: F401

    with pytest.raises(SetupError, match="runs without Horovod"):
        HorovodRunner(np=-1).run(main)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        HorovodRunner(np=-1).run(other)


def test_without_pytorch_the_function_is_called_here_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setattr(horovod, "find_spec", lambda name: None)
    assert HorovodRunner(np=2).run(os.getpid) == os.getpid()
    assert "np=2 without PyTorch: called here, once. pip install 'spark-cxr[torch]'" in caplog.text


def test_processes_are_left_to_pysparks_distributor(spark, monkeypatch):
    started = []

    class Distributor:
        def __init__(self, **how):
            started.append(how)

        def run(self, main, **kwargs):
            return main(**kwargs)

    def main(answer):
        return answer, os.environ["KERAS_BACKEND"]

    monkeypatch.setattr(os, "environ", {})  # of which nothing is left afterwards
    monkeypatch.setattr(horovod, "find_spec", lambda name: name)
    monkeypatch.setattr(distributor, "TorchDistributor", Distributor)
    assert HorovodRunner(np=2).run(main, answer=7) == (7, "torch")
    assert started == [{"num_processes": 2, "local_mode": True, "use_gpu": False}]


def test_messages_are_printed_and_cut(capsys):
    log_to_driver("x" * 5000)
    assert capsys.readouterr().out == "x" * 4000 + "\n"


@pytest.mark.parametrize(("per_batch", "lines"), [(False, 4), (True, 8)])
def test_a_callback_prints_epochs_and_batches(capsys, per_batch, lines):
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callbacks = [LogCallback(per_batch_log=per_batch)]
    model.fit(np.ones((4, 1)), np.ones(4), 2, epochs=2, callbacks=callbacks, verbose=0)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == lines
    assert said[0] == "epoch 0 begins"
    assert said[-1].startswith("epoch 1 took ")
    assert "loss" in said[-1]
    assert any(line.startswith("epoch 1, batch 1: loss ") for line in said) is per_batch
