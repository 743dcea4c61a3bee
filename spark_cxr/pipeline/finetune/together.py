"""Several processes that train one network, started by Spark: pyspark's own TorchDistributor."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.training.task import Say, Task, Trained


def train_together(spark: SparkSession, task: Task, workers: int, say: Say) -> Trained:
    """Train in several processes, each with a share of every batch."""
    raise NotImplementedError
