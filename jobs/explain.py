"""Show why: spark-submit jobs/explain.py --model DIR --images DIR --out E."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.explain.run import explain_step
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write overlays, the tables `explanations` and `quarantine`, and a contact sheet."""
    return explain_step(spark, cfg, output)


JOB = Job("explain", "Show where on each film a decision comes from", ("ingest", "explain"), run)
if __name__ == "__main__":
    main(JOB)
