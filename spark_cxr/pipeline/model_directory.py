"""A trained head and its network → a model directory: the whole recipe, nothing executable."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr import __version__
from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.heads.catalog import Setting
from spark_cxr.heads.portable import PortableHead, pack
from spark_cxr.images.film import Limits
from spark_cxr.metrics import Metrics, Overlap
from spark_cxr.metrics.wording import overlap_in_words
from spark_cxr.model.manifest import (
    ARRAYS,
    REFERENCE,
    Manifest,
    Origin,
    digests,
    write_manifest,
)
from spark_cxr.model.reference import FEWEST, Reference, describe, own_distances
from spark_cxr.output import Output, locate
from spark_cxr.schemas import FEATURES, GROUP, SHA256
from spark_cxr.settings import Gate

NETWORK = "network"
MEASURES = ("n", "accuracy", "f1_macro", "auc_macro", "log_loss", "brier", "ece")
PACKAGES = ("pyspark", "numpy", "openvino", "keras")
MOST = 4000
"""Training films that are described, drawn by hash: more hardly move a mean and 64 axes."""


class FittedHead(Protocol):
    """What gives `prediction_index` and `probability`, and can be kept."""

    @property
    def name(self) -> str:
        """Name its kind."""
        ...

    def transform(self, dataset: DataFrame) -> DataFrame:
        """Score prepared rows."""
        ...

    def keep(self, directory: Output) -> PortableHead:
        """Give it as numpy arrays; leave in the directory what else of it there is to keep."""
        ...


@dataclass(frozen=True)
class ModelFacts:
    """What a model was made from, as its directory says."""

    name: str
    labels: tuple[str, ...]
    setting: Setting
    plan: Plan
    limits: Limits
    used: Used
    metrics: Metrics
    overlap: Overlap
    reference: Reference
    data: str
    split: dict[str, Any]


def write_model(model: FittedHead, facts: ModelFacts, directory: Output) -> Manifest:
    """Write head, portable head, reference, network, and last `model.json`: else it is no model."""
    directory.write_bytes(ARRAYS, pack(model.keep(directory)))
    directory.write_bytes(REFERENCE, facts.reference.pack())
    network, weights = facts.plan.network, facts.plan.network.weights
    if network.path:
        _copy(Path(network.path), directory)
    manifest = Manifest(
        name=facts.name,
        labels=facts.labels,
        head=model.name,
        setting=dict(facts.setting),
        backbone=network.backbone,
        weights=Origin(
            weights.kind, weights.sha256, weights.origin, weights.licence, weights.caveat
        ),
        preprocessing=network.preprocessing,
        engine=facts.used.engine,
        precision=facts.used.precision,
        device=facts.used.device,
        network=NETWORK if network.path else "",
        features=network.dim,
        limits=facts.limits,
        metrics=_figures(facts.metrics),
        overlap={**facts.overlap.to_json(), "said": overlap_in_words(facts.overlap)},
        data=facts.data,
        split=facts.split,
        versions=_versions(),
        files=digests(directory),
    )
    write_manifest(directory, manifest)
    return manifest


def _figures(found: Metrics) -> dict[str, float | None]:
    """Give the figures of the test, each with the ends of its interval where it has one."""
    figures: dict[str, float | None] = {}
    for name in MEASURES:
        figures[name] = getattr(found, name)
        if ends := getattr(found.intervals, name, None):
            figures |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
    return figures


def _copy(network: Path, directory: Output) -> None:
    """Stream the network's file, which may be large, into the directory."""
    store, root = locate(directory.address)
    with network.open("rb") as source, store.open_output_stream(f"{root}/{NETWORK}") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _versions() -> dict[str, str]:
    installed = {package.metadata["Name"].lower() for package in metadata.distributions()}
    found = {name: metadata.version(name) for name in PACKAGES if name in installed}
    return {"spark_cxr": __version__, "python": platform.python_version(), **found}


def reference_of(
    train_rows: DataFrame,
    predictions: DataFrame,
    labels: tuple[str, ...],
    gate: Gate,
    seed: int,
) -> Reference:
    """Describe the films of the training, and the predictions on those of the test."""
    vectors, groups = _drawn(train_rows, seed)
    own = own_distances(vectors, groups, seed)
    own = own[own > 0]  # a limit of zero would make everything infinitely far
    limit = float(np.quantile(own, 1 - gate.false_alarms)) if len(own) >= FEWEST else np.inf
    shares, confidence, spread = _answers(predictions, labels)
    return Reference(
        cloud=describe(vectors, seed),
        limit=limit,
        false_alarms=gate.false_alarms,
        far=gate.far,
        colour=gate.colour,
        distance=float(np.mean(own / limit)) if len(own) else 0.0,
        distance_spread=float(np.std(own / limit)) if len(own) else 0.0,
        shares=shares,
        confidence=confidence,
        confidence_spread=spread,
    )


def _drawn(train_rows: DataFrame, seed: int) -> tuple[np.ndarray, list[str]]:
    """Bring a bounded number of vectors to the driver, in an order of their own, as raw bytes."""
    lot = F.xxhash64(F.lit(seed), F.col(SHA256))
    vector = vector_to_array(F.col(FEATURES), "float32")
    drawn = train_rows.select(GROUP, vector.alias(FEATURES), lot.alias("lot"), SHA256)
    drawn = drawn.orderBy("lot", SHA256, GROUP).limit(MOST).select(GROUP, FEATURES)
    rows = drawn.mapInArrow(_as_bytes, f"{GROUP} string, {FEATURES} binary").collect()
    vectors = np.stack([np.frombuffer(row[FEATURES], np.float32) for row in rows])
    return vectors.astype(np.float64), [row[GROUP] for row in rows]


def _as_bytes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        vectors = [np.asarray(v.values, np.float32).tobytes() for v in batch[FEATURES]]
        yield pa.RecordBatch.from_arrays([batch[GROUP], pa.array(vectors)], [GROUP, FEATURES])


def _answers(
    predictions: DataFrame, labels: tuple[str, ...]
) -> tuple[dict[str, float], float, float]:
    """Average the predictions of a head on films that were not in its training."""
    sure = F.col("confidence")
    sums = F.count("*").alias("n"), F.sum(sure).alias("one"), F.sum(sure * sure).alias("two")
    rows = {r["prediction"]: r for r in predictions.groupBy("prediction").agg(*sums).collect()}
    n = sum(row["n"] for row in rows.values())
    mean = sum(row["one"] for row in rows.values()) / n
    square = sum(row["two"] for row in rows.values()) / n
    shares = {label: rows[label]["n"] / n if label in rows else 0.0 for label in labels}
    return shares, mean, max(0.0, square - mean * mean) ** 0.5
