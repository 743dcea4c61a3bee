"""Show why: spark-submit jobs/explain.py --model DIR --images DIR --out E."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write overlays, the tables `explanations` and `quarantine`, and a contact sheet."""
    from spark_cxr.verbs.explain.run import explain_step

    return explain_step(spark, cfg, output)


JOB = Job("explain", "Show where on each film a decision comes from", ("ingest", "explain"), run)
if __name__ == "__main__":
    main(JOB)
