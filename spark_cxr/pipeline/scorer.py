"""A model directory → a model that Spark's workers can run."""

from __future__ import annotations

from pyspark.sql import SparkSession

from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.model.model import Model, network_of, open_manifest, read_predictor
from spark_cxr.output import Output, absolute
from spark_cxr.pipeline.networks import ship, threads_of


def open_scorer(
    spark: SparkSession, directory: str, batch_size: int = 32, device: str = "auto"
) -> Model:
    """Open a model directory as `load_model` does, and ship its network to the workers."""
    place = Output(absolute(directory).rstrip("/"))
    manifest = open_manifest(place)
    network = network_of(place, manifest, into_cache=True)
    ship(spark, network)
    plan = Plan(
        network=network,
        threads=threads_of(spark),
        precision=manifest.precision,
        device=device,
        batch_size=batch_size,
    )
    return Model(manifest, plan, read_predictor(place, manifest), manifest.limits)
