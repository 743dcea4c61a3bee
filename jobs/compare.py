"""Compare backbones and heads over folds: spark-submit jobs/compare.py --images DIR --out R."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.compared import SECTIONS, compare_step
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Featurize once a backbone, fit each head on each fold, rank them, report."""
    return compare_step(spark, cfg, output)


JOB = Job("compare", "Compare backbones and heads, by patient and by image", SECTIONS, run)
if __name__ == "__main__":
    main(JOB)
