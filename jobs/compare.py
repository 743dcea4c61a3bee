"""Compare backbones and heads over folds: spark-submit jobs/compare.py --images DIR --out R."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import FLAGS_OF, Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Featurize once a backbone, fit each head on each fold, rank them, report."""
    from spark_cxr.verbs.compare.run import compare_step

    return compare_step(spark, cfg, output)


JOB = Job(
    "compare",
    "Compare backbones and heads, by patient and by image",
    FLAGS_OF["compare"],
    run,
    goes_on=PARTS,
)
if __name__ == "__main__":
    main(JOB)
