"""Ask the data what a good figure on them is worth: spark-submit jobs/audit.py --images DIR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import FLAGS_OF, Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write `audit.json` and `report.html`."""
    from spark_cxr.verbs.audit.run import audit_step

    return audit_step(spark, cfg, output)


JOB = Job(
    "audit", "Ask films and labels what a good figure on them is worth", FLAGS_OF["audit"], run
)
if __name__ == "__main__":
    main(JOB)
