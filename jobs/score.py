"""Score what has arrived: spark-submit jobs/score.py --model DIR --images DIR --table DIR."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession | None, cfg: Config, output: Output) -> Outcome:
    """Append a row for each new file to the table of predictions."""
    return _verb("score_step")(spark, cfg, output)  # type: ignore[no-any-return]


def _verb(name: str) -> Any:
    return lambda *given: getattr(import_module("spark_cxr.verbs.score.run"), name)(*given)


JOB = Job("score", "Score new files into a growing table", ("score", "drift", "stores"), run,
          opens=_verb("open_run"), may_wait=_verb("may_wait"))  # fmt: skip
if __name__ == "__main__":
    main(JOB)
