"""Turn X-rays into feature vectors: spark-submit jobs/featurize.py --images DIR --out F."""

from __future__ import annotations

from dataclasses import asdict

from pyspark.sql import SparkSession

from spark_cxr.job import Job, main
from spark_cxr.output import Outcome, Output
from spark_cxr.pipeline.featurize import featurize_step
from spark_cxr.pipeline.steps import ingest_step
from spark_cxr.settings import Config


def run(spark: SparkSession, cfg: Config, output: Output) -> Outcome:
    """Write the tables `images`, `quarantine` and `features`."""
    ingested = ingest_step(spark, cfg.ingest, output)
    made = featurize_step(spark, cfg, ingested.images, output)
    counts = {
        "files": ingested.files,
        "images": made.n,
        "quarantined": ingested.files - made.n,
        "reused": made.reused,
        "images_per_second": round(made.images_per_second, 1),
        "network": made.ready.key,
        "used": asdict(made.used),
        "caveat": made.ready.caveat,
    }
    lines = (
        f"{made.n:,} vectors of {made.ready.network.dim} numbers, {made.reused:,} of them reused",
        f"{made.used.engine} on {made.used.device} in {made.used.precision}",
        made.ready.caveat,
    )
    return Outcome(counts, "\n".join(filter(None, lines)))


JOB = Job("featurize", "Turn films into feature vectors", ("ingest", "features"), run)
if __name__ == "__main__":
    main(JOB)
