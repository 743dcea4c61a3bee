"""What films look like before anything learns from them: spark-submit jobs/look.py --images DIR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write the tables of ingest, and the page films.html."""
    from spark_cxr.verbs.look.run import look_step

    return look_step(spark, cfg, output)


JOB = Job(
    "look", "Look at films: counts, pictures, oddities", ("ingest", "look"), run, goes_on=PARTS
)
if __name__ == "__main__":
    main(JOB)
