"""Look at folders of X-rays: spark-submit jobs/ingest.py --images DIR --out T."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write the tables `images` and `quarantine`, and `lungs` where that is wanted."""
    from spark_cxr.pipeline.lung_table import ingest_with_lungs
    from spark_cxr.verbs.look.run import look_step, with_look

    if not cfg.lungs.lungs:
        return look_step(spark, cfg, output)
    return with_look(spark, cfg, output, *ingest_with_lungs(spark, cfg.ingest, output))


SUMMARY = "Look at every file: images and quarantine as tables"
JOB = Job("ingest", SUMMARY, ("ingest", "lungs", "look"), run, goes_on=PARTS)
if __name__ == "__main__":
    main(JOB)
