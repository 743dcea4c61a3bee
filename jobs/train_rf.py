"""Train a random forest on X-rays: spark-submit jobs/train_rf.py --images DIR --out R."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import FLAGS_OF, Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Ingest, featurize, split, fit, evaluate, report."""
    from spark_cxr.verbs.train.run import train_head

    return train_head("rf", spark, cfg, output)


JOB = Job(
    "train_rf",
    "Train and test a random forest on feature vectors",
    FLAGS_OF["train"],
    run,
    goes_on=PARTS,
)
if __name__ == "__main__":
    main(JOB)
