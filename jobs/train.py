"""Train any head on X-rays: spark-submit jobs/train.py --head gbt --images DIR --out R."""

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

    return train_head(cfg.any_head.head, spark, cfg, output)


JOB = Job(
    "train",
    "Train and test any head on feature vectors",
    (*FLAGS_OF["train"], "any_head"),
    run,
    goes_on=PARTS,
)
if __name__ == "__main__":
    main(JOB)
