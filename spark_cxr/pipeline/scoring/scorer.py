"""A model directory → a model that Spark's workers can run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from spark_cxr.backbones import catalog, network
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.backbones.featurize import FeatureRecipe
from spark_cxr.backbones.network import Network
from spark_cxr.backbones.weights import Weights
from spark_cxr.model.judge import Judge
from spark_cxr.model.manifest import Manifest
from spark_cxr.model.scoring import network_file, open_manifest, read_judge
from spark_cxr.output import Output, absolute
from spark_cxr.pipeline.networks import Ready, ship


@dataclass(frozen=True)
class Scorer:
    """A model that is checked, with its network where workers find it."""

    manifest: Manifest
    ready: Ready
    judge: Judge


def open_scorer(
    spark: SparkSession, directory: str, batch_size: int = 32, device: str = "auto"
) -> Scorer:
    """Open a model directory as `load_model` does, and ship its network to the workers."""
    place = Output(absolute(directory).rstrip("/"))
    manifest = open_manifest(place)
    found = _network(place, manifest)
    ship(spark, found)
    recipe = FeatureRecipe(
        backbone=manifest.backbone,
        engine=manifest.engine,
        batch_size=batch_size,
        limits=manifest.limits,
        network=found.path,
        precision=manifest.precision,
        threads=int(spark.conf.get("spark.task.cpus", "1") or 1),
        device=device,
    )
    return Scorer(manifest, Ready(found, recipe), read_judge(place, manifest))


def _network(place: Output, manifest: Manifest) -> Network:
    """Put the network's file into the cache, by the digest of its content: workers look there."""
    if not manifest.network:
        row, told = catalog.get(manifest.backbone), manifest.weights
        weights = Weights(told.kind, "", told.sha256, told.origin, told.licence)
        return Network(
            *(row.name, row.size_hw, manifest.features, row.normalising, "avg", manifest.engine),
            weights,
        )
    sha256 = manifest.files[manifest.network]
    target = cache_dir("networks") / f"{sha256[:32]}.network"
    source = network_file(place, manifest)
    if source != target:
        with locked(target):
            if not target.is_file() or digest(target) != sha256:
                with whole(target) as half:
                    shutil.copyfile(source, half)
    return replace(network.read(target), path=str(target), sha256=sha256)
