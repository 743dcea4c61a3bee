"""Several processes that train one network, started by pyspark's own TorchDistributor.

On a cluster they are tasks of one barrier stage on the executors, on one machine children of the
driver. All of them can read --out, where the films and the checkpoint are.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from spark_cxr.errors import SparkCxrError
from spark_cxr.pipeline.session import all_here, gpus_of_a_task
from spark_cxr.training.loop import CHECKPOINT, train
from spark_cxr.training.task import Say, Task, TrainedNetwork
from spark_cxr.training.team import joined


def train_together(spark: SparkSession, task: Task, workers: int, say: Say) -> TrainedNetwork:
    """Train in several processes, each with a share of every batch, to the same weights as one.

    Raises:
        SparkCxrError: one of them gave up.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    on_gpus, is_local = gpus_of_a_task(spark) > 0, all_here(spark)
    distributor = TorchDistributor(workers, local_mode=is_local, use_gpu=on_gpus)
    say(f"{workers} processes train together, {'here' if is_local else 'on the executors'}")
    output = _MemberOutput()
    try:
        with redirect_stdout(output):
            trained: TrainedNetwork = distributor.run(_member, _with_start(task))
    except RuntimeError as error:
        received = output.error or str(error).splitlines()[0]
        way_out = "Their output is above; the same command goes on from the last checkpoint"
        raise SparkCxrError("all processes to train to the end", received, way_out) from None
    return trained


class _MemberOutput(io.TextIOBase):
    """Passes the output of the processes to stderr: a job's stdout is for its one line of JSON."""

    error = ""
    """The last line that ended a traceback."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            plain = re.sub(r"^\[rank\d+\]: ", "", line)
            if re.match(r"[\w.]+(Error|Exception): ", plain):
                self.error = plain.rstrip(". ")
        return sys.stderr.write(text)


def _member(task: Task) -> TrainedNetwork:
    """Train as one of several; runs in each process."""
    with joined() as team:
        return train(task, _say, team)


def _say(line: str) -> None:
    # In a process of its own, whose stdout `_MemberOutput` reads.
    print(f"finetune: {line}", flush=True)


def _with_start(task: Task) -> Task:
    """Copy the weights to start from beside the checkpoint, where all processes can read them."""
    if not task.weights.path:
        return task
    given = Path(task.weights.path)
    copy = task.folder / CHECKPOINT / f"start{given.suffix}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(given, copy)
    weights, backbone = replace(task.weights, path=str(copy)), task.backbone
    if backbone.file:
        backbone = replace(backbone, file=str(copy))
    return replace(task, weights=weights, backbone=backbone)
