"""Train a random forest on X-rays: spark-submit jobs/train_rf.py --images DIR --out R."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.experiment import SECTIONS, train_head
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, featurize, split, fit, evaluate, report."""
    return train_head("rf", spark, cfg, output)


JOB = Job("train_rf", "Train and test a random forest on feature vectors", SECTIONS, run)
if __name__ == "__main__":
    main(JOB)
