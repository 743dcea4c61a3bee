"""A fitted head and its network → a model directory: the whole recipe and nothing executable."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from pyspark.sql import DataFrame

from spark_cxr import __version__
from spark_cxr.backbones.engines.plan import Plan, Used
from spark_cxr.backbones.network import Network
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
from spark_cxr.model.reference import Reference
from spark_cxr.output import Output, locate

NETWORK = "network"
MEASURES = ("n", "accuracy", "f1_macro", "auc_macro", "log_loss", "brier", "ece")
PACKAGES = ("pyspark", "numpy", "openvino", "keras")


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
    """What a model was made from, as its directory tells it."""

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


def write_model(model: FittedHead, made: ModelFacts, directory: Output) -> Manifest:
    """Write head, portable head, reference, network, and last `model.json`: else it is no model."""
    directory.write_bytes(ARRAYS, pack(model.keep(directory)))
    directory.write_bytes(REFERENCE, made.reference.pack())
    network = made.plan.network
    if network.path:
        _copy(Path(network.path), directory)
    manifest = Manifest(
        name=made.name,
        labels=made.labels,
        head=model.name,
        setting=dict(made.setting),
        backbone=network.backbone,
        weights=_origin(made.plan.network),
        preprocessing=network.preprocessing,
        engine=made.used.engine,
        precision=made.used.precision,
        device=made.used.device,
        network=NETWORK if network.path else "",
        features=network.dim,
        limits=made.limits,
        metrics=_figures(made.metrics),
        overlap={**made.overlap.to_json(), "said": overlap_in_words(made.overlap)},
        data=made.data,
        split=made.split,
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


def _origin(network: Network) -> Origin:
    found = network.weights
    return Origin(found.kind, found.sha256, found.origin, found.licence, found.caveat)


def _versions() -> dict[str, str]:
    installed = {package.metadata["Name"].lower() for package in metadata.distributions()}
    found = {name: metadata.version(name) for name in PACKAGES if name in installed}
    return {"spark_cxr": __version__, "python": platform.python_version(), **found}
