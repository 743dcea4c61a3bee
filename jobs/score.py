"""Score what has arrived: spark-submit jobs/score.py --model DIR --images DIR --table DIR."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.scoring.run import open_run, score_step
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Append a row for each new file to the table of predictions."""
    return score_step(spark, cfg, output)


JOB = Job("score", "Score new files into a growing table", ("score", "drift"), run, opens=open_run)
if __name__ == "__main__":
    main(JOB)
