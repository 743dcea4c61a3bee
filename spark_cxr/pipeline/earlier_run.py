"""What an earlier run has left, for a job that goes on from there: its settings and its tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError, without_password
from spark_cxr.output import RECORD, VECTORS, Output, absolute
from spark_cxr.pipeline.classes import read_classes
from spark_cxr.schemas import FEATURES
from spark_cxr.settings import Config


@dataclass(frozen=True)
class EarlierRun:
    """A run that ended well, or failed after it had written its vectors."""

    output: Output
    job: str
    ingest: dict[str, Any]
    """Its settings of these sections, as run.json has them."""
    features: dict[str, Any]
    network: str
    """The key of its features; empty where it has none."""
    labels: tuple[str, ...]
    """Only films of these have features; empty: of any label."""


def open_earlier(address: str, flag: str, table: str) -> EarlierRun:
    """Open the directory of a run that has left a table, or say what is there instead."""
    output = Output(absolute(address).rstrip("/"))
    expected, received = f"{flag} of a run that ended well and left {table}/", f"{flag}={address}"
    record = _record(output, RECORD)
    vectors = _record(output, VECTORS)
    if record.get("status") != "ok" and not (record.get("status") == "failed" and vectors):
        status = record.get("status", "no run.json that can be read")
        raise InputError(expected, f"{received}: {status}", "Name the --out of such a run")
    if output.read_bytes(f"{table}/_SUCCESS") is None:
        raise InputError(expected, f"{received}: no {table}", "Name the --out of such a run")
    settings = record["config"]
    if table == FEATURES and (table_of := settings.get("train", {}).get("features", "")):
        received, way_out = (
            f"{received} with vectors made elsewhere",
            f"Say --features {without_password(table_of)}",
        )
        raise InputError(f"{flag} of a run that made its vectors", received, way_out)
    network = vectors.get("network") or record.get("network", "")
    labels = read_classes(tuple(settings.get("train", {}).get("classes", ()))).labels
    return EarlierRun(
        output, record["job"], settings["ingest"], settings["features"], network, labels
    )


def ingested_by(earlier: EarlierRun) -> EarlierRun:
    """Find the run that has the films of these features: itself, or what its --table named."""
    table = earlier.features["table"]
    return open_earlier(table, "the --table of --features", "images") if table else earlier


def with_its_films(cfg: Config, earlier: EarlierRun, flag: str) -> Config:
    """Take the folders and limits of the earlier run; two answers to one question are refused."""
    if cfg.ingest.images:
        raise ConfigError(f"--images or {flag}", "both", "Leave one out")
    return replace(cfg, ingest=defaults(ingest=earlier.ingest).ingest)


def with_its_network(cfg: Config, earlier: EarlierRun) -> Config:
    """Take the network of the earlier run; another one that is named is refused."""
    named, plain = cfg.features.backbone, defaults().features.backbone
    features = defaults(features={**earlier.features, "cache": "", "table": ""}).features
    if named not in (plain, features.backbone):
        way_out = "Leave --backbone out, or featurize with it first"
        raise ConfigError(f"the features' own backbone, {features.backbone}", named, way_out)
    return replace(cfg, features=features)


def check_classes(cfg: Config, earlier: EarlierRun) -> None:
    """Refuse classes whose films have no features, because the earlier run left them out."""
    wanted = read_classes(cfg.train.classes).labels
    if earlier.labels and not (wanted and set(wanted) <= set(earlier.labels)):
        expected = f"--classes of {', '.join(earlier.labels)}: other films have no features"
        way_out = "Name some of these, or featurize the others too"
        raise ConfigError(expected, ", ".join(wanted) or "all", way_out)


def _record(output: Output, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(output.read_bytes(name) or b"{}"))
    except (ValueError, OSError):
        return {}
