"""Which network looks at the films, and among which vectors: from a model, or from a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from spark_cxr.backbones import engines, network, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.plan import INT8, Plan
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.film import Limits
from spark_cxr.model.manifest import NAME
from spark_cxr.model.model import load_model
from spark_cxr.model.neighbours import KeptVectors, check_network, network_of_vectors, open_vectors
from spark_cxr.output import Output, absolute, record_of
from spark_cxr.settings import Similar

MODEL = "model"
"""Where a training leaves its model."""


@dataclass(frozen=True)
class Search:
    """A network, and vectors that it has made."""

    plan: Plan
    limits: Limits
    table: KeptVectors
    note: str = ""
    """What must be known of the two together."""


def open_search(settings: Similar) -> Search:
    """Find network and vectors.

    Raises:
        ConfigError: Neither is named.
        InputError: One of them is missing, or they do not belong together.
    """
    if not (settings.model or settings.features):
        way_out = "Say --model R/model of a training, or --features F of any run with vectors"
        raise ConfigError("--model or --features", "neither", way_out)
    if settings.features:
        table = open_vectors(settings.features, "--features")
    else:
        table = _vectors_beside(settings.model)
    plan, limits = _network(settings, table)
    return Search(plan, limits, table, check_network(table, plan))


def _vectors_beside(model: str) -> KeptVectors:
    """Find the vectors of the training that a model lies in, or of the run that it took them of."""
    training = Output(absolute(model).rstrip("/").rpartition("/")[0])
    if network_of_vectors(training):
        return open_vectors(training.address, "--model")
    earlier = record_of(training).get("config", {}).get("train", {}).get("features", "")
    if not earlier:
        received = f"--model={model} without any beside it"
        way_out = "Name the run that has them with --features"
        raise InputError("a model beside its vectors", received, way_out)
    return open_vectors(earlier, "--features of that training")


def _network(settings: Similar, table: KeptVectors) -> tuple[Plan, Limits]:
    """Take the model's network; without a model that of the run, which may have a model, too."""
    model = settings.model
    if not model and table.output.read_bytes(f"{MODEL}/{NAME}") is not None:
        model = table.output.table(MODEL)
    if not model:
        return _of_run(record_of(table.output), settings, table.output.address)
    found = load_model(model, device=settings.device, public_key=settings.require_signature)
    return found.plan, found.limits


def _of_run(record: dict[str, Any], settings: Similar, address: str) -> tuple[Plan, Limits]:
    """Prepare the network that a run names in its run.json, as that run did."""
    sections = record.get("config", {})
    if "features" not in sections or sections["features"].get("precision") == INT8:
        received = f"--features={address}"
        way_out = "Add --model, a model that was trained on these vectors"
        raise InputError("a run that says which network it took, not in int8", received, way_out)
    cfg = defaults(features={**sections["features"], "table": ""}, ingest=sections["ingest"])
    wanted, film = cfg.features, cfg.ingest
    row = own.find_wanted(wanted)
    engine = engines.choose(wanted.engine, wanted.backbone, settings.device, wanted.precision)
    built = network.prepare(row, weights.resolve(wanted.weights, row, wanted.mirror), engine)
    threads = os.cpu_count() or 1
    plan = Plan(built, threads, precision=wanted.precision, device=settings.device)
    return plan, Limits(film.max_pixels, film.min_side, film.max_seconds)
