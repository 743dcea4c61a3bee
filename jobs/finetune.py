"""Train a network further on X-rays: spark-submit jobs/finetune.py --images DIR --out R."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import FLAGS_OF, Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, split, train network and head, evaluate, report."""
    from spark_cxr.verbs.finetune.run import finetune

    return finetune(spark, cfg, output)


SUMMARY = "Train a network and a head on films"
JOB = Job("finetune", SUMMARY, FLAGS_OF["finetune"], run, goes_on="checkpoint")
if __name__ == "__main__":
    main(JOB)
