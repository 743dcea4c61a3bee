"""Score what has arrived: spark-submit jobs/score.py --model DIR --images DIR --table DIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Append a row for each new file to the table of predictions."""
    from spark_cxr.verbs.score.run import score_step

    return score_step(spark, cfg, output)


def _opens(cfg: Config) -> Any:
    from spark_cxr.verbs.score.run import open_run

    return open_run(cfg)


JOB = Job("score", "Score new files into a growing table", ("score", "drift"), run, opens=_opens)
if __name__ == "__main__":
    main(JOB)
