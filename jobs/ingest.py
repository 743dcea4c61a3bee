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
    from spark_cxr.pipeline.ingest import ingest_step
    from spark_cxr.pipeline.lung_table import ingest_with_lungs

    if cfg.lungs.lungs:
        return ingest_with_lungs(spark, cfg.ingest, output)
    done = ingest_step(spark, cfg.ingest, output)
    return Outcome(done.counts(), "\n".join(done.lines()))


SUMMARY = "Look at every file: images and quarantine as tables"
JOB = Job("ingest", SUMMARY, ("ingest", "lungs"), run, goes_on=PARTS)
if __name__ == "__main__":
    main(JOB)
