"""Measure how fast features are made here: spark-submit jobs/bench.py --images DIR --out B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write `bench.json` and the vectors that each contestant made."""
    from benchmarks.bench.record import keep
    from benchmarks.bench.results import report, table
    from benchmarks.bench.run import bench_step

    benched = bench_step(spark, cfg, output)
    output.write_json("bench.json", report(benched))
    if cfg.bench.keep_as:
        keep(cfg, JOB.sections, report(benched))
    return Outcome(report(benched), table(benched))


JOB = Job("bench", "Measure speed side by side with peers", ("ingest", "features", "bench"), run)
if __name__ == "__main__":
    main(JOB)
