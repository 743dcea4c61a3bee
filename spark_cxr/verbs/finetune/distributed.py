"""Several processes that train one network, started by Spark: pyspark's own TorchDistributor.

On a cluster they are tasks of one barrier stage on the executors, on one machine children of the
driver. All of them see --out: the films are read from there, and the checkpoint is.
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
from spark_cxr.pipeline.networks import all_here
from spark_cxr.pipeline.session import gpus_of_a_task
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
    heard = _Heard()
    try:
        with redirect_stdout(heard):
            trained: TrainedNetwork = distributor.run(_member, _seen_by_all(task))
    except RuntimeError as error:
        received = heard.error or str(error).splitlines()[0]
        way_out = "What they said stands above; the same command goes on from the last checkpoint"
        raise SparkCxrError("all processes to train to the end", received, way_out) from None
    return trained


class _Heard(io.TextIOBase):
    """Passes on to stderr what the processes say: a job's stdout is for its one line of JSON."""

    error = ""
    """The last line that was the end of a traceback."""

    def write(self, text: str) -> int:
        for line in text.splitlines():
            told = re.sub(r"^\[rank\d+\]: ", "", line)
            if re.match(r"[\w.]+(Error|Exception): ", told):
                self.error = told.rstrip(". ")
        return sys.stderr.write(text)


def _member(task: Task) -> TrainedNetwork:
    """Train as one of several; runs in each process."""
    with joined() as team:
        return train(task, _say, team)


def _say(line: str) -> None:
    # In a process of its own, whose stdout is what `_Heard` reads.
    print(f"finetune: {line}", flush=True)


def _seen_by_all(task: Task) -> Task:
    """Put what the network starts from beside the checkpoint, where all processes see it."""
    if not task.weights.path:
        return task
    given = Path(task.weights.path)
    kept = task.folder / CHECKPOINT / f"start{given.suffix}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(given, kept)
    weights, backbone = replace(task.weights, path=str(kept)), task.backbone
    if backbone.file:
        backbone = replace(backbone, file=str(kept))
    return replace(task, weights=weights, backbone=backbone)
