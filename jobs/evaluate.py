"""Does it hold here? spark-submit jobs/evaluate.py --model DIR --images DIR --labels FILE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import FLAGS_OF, Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write `evaluation.json`, `report.html`, and the predictions behind them."""
    from spark_cxr.verbs.evaluate.run import evaluate_step

    return evaluate_step(spark, cfg, output)


SUMMARY = "Measure a model, as it is, on labelled films of another place"
JOB = Job("evaluate", SUMMARY, FLAGS_OF["evaluate"], run, goes_on=PARTS)
if __name__ == "__main__":
    main(JOB)
