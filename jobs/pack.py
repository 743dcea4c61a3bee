"""Many small files into few large ones: spark-submit jobs/pack.py --images DIR --out P."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write shards of about one size, which every verb takes as --images."""
    from spark_cxr.verbs.pack.run import pack_step

    return pack_step(spark, cfg.ingest, cfg.pack, output)


JOB = Job("pack", "Pack many small files into few large ones", ("ingest", "pack"), run)
if __name__ == "__main__":
    main(JOB)
