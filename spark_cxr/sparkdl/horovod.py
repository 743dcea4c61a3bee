"""`HorovodRunner` without Horovod: the function is called here, or by PyTorch's processes on Spark.

Of the old names this file also has `log_to_driver` (of sparkdl.horovod) and `LogCallback` (of
sparkdl.horovod.tensorflow.keras).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError, SetupError, nearest
from spark_cxr.pipeline.session import all_here, gpus_of_a_task

__all__ = ["HorovodRunner", "LogCallback", "log_to_driver"]

logger = logging.getLogger(__name__)
VERBOSITIES = ("all", "log_callback_only")
LONGEST = 4000
"""Characters of a message, as ever."""
Main = Callable[..., Any]


class HorovodRunner:
    """Run a training function once here, or in several processes.

    With np of 0 or less the function is called in this process, once: what sparkdl's open-source
    version did whatever np was. On Databricks 0 took all slots of the cluster, and -n started n
    processes on the driver.

    With np above 0 PySpark's TorchDistributor starts np processes: on this machine where Spark runs
    here alone, else one in each of np tasks at the same time. They form a group by
    `torch.distributed`, not by Horovod: in the function, `torch.distributed.init_process_group`
    stands where `hvd.init` stood. Keras takes its PyTorch backend in them. Without PyTorch a line
    in the log says that the function is called here, once.
    """

    def __init__(self, *, np: int, driver_log_verbosity: str = "log_callback_only") -> None:
        """Take the number of processes.

        Args:
            np: How many; 0 or less: none but this one.
            driver_log_verbosity: "all" or "log_callback_only", and all is shown either way: what
                the processes print comes to the driver's output.
        """
        if driver_log_verbosity not in VERBOSITIES:
            expected, way_out = "driver_log_verbosity", nearest(driver_log_verbosity, VERBOSITIES)
            raise ConfigError(f"{expected} by name", driver_log_verbosity, way_out)
        self.num_processor = np

    def run(self, main: Main, **kwargs: Any) -> Any:
        """Call `main(**kwargs)`; of several processes the answer of the first is given.

        Raises:
            SetupError: the function wants Horovod.
        """
        count = self.num_processor
        if count > 0 and find_spec("torch"):
            return _distributor(count).run(_on_torch(main), **kwargs)
        if count > 0:
            way_out = "pip install 'spark-cxr[torch]' on all nodes for more processes"
            logger.warning("np=%d without PyTorch: called here, once. %s.", count, way_out)
        return _call(main, kwargs)


def _distributor(count: int) -> Any:
    from pyspark.ml.torch.distributor import TorchDistributor

    spark = SparkSession.active()
    use_gpu = gpus_of_a_task(spark) > 0
    return TorchDistributor(num_processes=count, local_mode=all_here(spark), use_gpu=use_gpu)


def _on_torch(main: Main) -> Main:
    def started(**kwargs: Any) -> Any:
        os.environ.setdefault("KERAS_BACKEND", "torch")
        return _call(main, kwargs)

    return started


def _call(main: Main, kwargs: Mapping[str, Any]) -> Any:
    try:
        return main(**kwargs)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "horovod":
            raise
        way_out = "Take Horovod's lines out; of several processes, torch.distributed joins them"
        raise SetupError("a function that runs without Horovod", str(error), way_out) from None


def log_to_driver(message: str) -> None:
    """Print a message, cut to 4000 characters; the driver shows what its processes print."""
    print(str(message)[:LONGEST], flush=True)


def log_callback(per_batch_log: bool = False) -> Any:
    """Make a callback of Keras that prints epochs, and with `per_batch_log` batches too."""
    base: Any = import_keras().callbacks.Callback

    class Logs(base):
        def __init__(self) -> None:
            super().__init__()
            self.epoch, self.start = 0, 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch, self.start = epoch, time.monotonic()
            log_to_driver(f"epoch {epoch} begins")

        def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if per_batch_log:
                log_to_driver(f"epoch {self.epoch}, batch {batch}: {_figures(logs)}")

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            seconds = time.monotonic() - self.start
            log_to_driver(f"epoch {epoch} took {seconds:.1f} s: {_figures(logs)}")

    return Logs()


LogCallback = log_callback


def _figures(logs: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())
