"""Ask the data what a good figure on them is worth: spark-submit jobs/audit.py --images DIR."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.audit.account import SECTIONS
from spark_cxr.pipeline.audit.audited import audit_step
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write `audit.json` and `report.html`."""
    return audit_step(spark, cfg, output)


JOB = Job("audit", "Ask films and labels what a good figure on them is worth", SECTIONS, run)
if __name__ == "__main__":
    main(JOB)
