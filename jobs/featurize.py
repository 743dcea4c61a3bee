"""Turn X-rays into feature vectors: spark-submit jobs/featurize.py --images DIR --out F."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_cxr.job import Job, main
from spark_cxr.output import PARTS, Outcome, Output
from spark_cxr.settings import Config, without_password

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write the tables `images`, `quarantine` and `features`."""
    from spark_cxr.pipeline.features import featurize_step

    ingested, made = featurize_step(spark, cfg, output)
    reused = f"{made.n:,} vectors of {made.plan.network.dim} numbers, {made.reused:,} reused"
    how = f"{made.used.engine} on {made.used.device} in {made.used.precision}"
    counts = {"files": ingested.files, "quarantined": ingested.files - made.n, **made.counts()}
    lines = (reused, how, *ingested.times.lines, made.plan.network.weights.caveat)
    if cfg.export.export:
        from spark_cxr.pipeline.export import export_vectors

        n = export_vectors(made, ingested.images, cfg.export, cfg.run.overwrite)
        place = without_password(cfg.export.export)
        counts |= {"exported": n, "export": place, "export_format": cfg.export.export_format}
        lines = (*lines, f"{n:,} vectors exported to {place} ({cfg.export.export_format})")
    return Outcome({**counts, **ingested.pass_counts()}, "\n".join(filter(None, lines)))


SUMMARY = "Turn films into feature vectors"
JOB = Job("featurize", SUMMARY, ("ingest", "features", "export"), run, goes_on=PARTS)
if __name__ == "__main__":
    main(JOB)
