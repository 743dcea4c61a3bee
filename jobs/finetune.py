"""Train a network further on X-rays: spark-submit jobs/finetune.py --images DIR --out R."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.finetune.run import SECTIONS, finetune
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, split, train network and head, evaluate, report."""
    return finetune(spark, cfg, output)


JOB = Job("finetune", "Train a network and a head on films", SECTIONS, run, goes_on=True)
if __name__ == "__main__":
    main(JOB)
