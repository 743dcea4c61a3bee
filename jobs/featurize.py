"""Turn X-rays into feature vectors: spark-submit jobs/featurize.py --images DIR --out F."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import Config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write the tables `images`, `quarantine` and `features`."""
    from spark_cxr.pipeline.export import export_entry
    from spark_cxr.pipeline.features import featurize_step

    ingested, made = featurize_step(spark, cfg, output)
    counts = {"files": ingested.files, "quarantined": ingested.files - made.n, **made.counts()}
    exported, line = export_entry(made, ingested.images, cfg)
    lines = (*made.lines(), *ingested.times.lines, made.plan.network.weights.caveat, line)
    return Outcome({**counts, **exported, **ingested.pass_counts()}, "\n".join(filter(None, lines)))


SECTIONS = ("ingest", "features", "export")
JOB = Job("featurize", "Turn films into feature vectors", SECTIONS, run, goes_on=PARTS)
if __name__ == "__main__":
    main(JOB)
