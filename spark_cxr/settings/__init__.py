"""The settings of every job as frozen records, with the limits their values must keep to.

Defaults and help texts stand in conf/base.toml and nowhere else; here are types and limits.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from spark_cxr.settings.asking import Audit, Bench, Explain
from spark_cxr.settings.fields import EXPLAIN_METHODS, PEERS, UNMATCHED, Names, Paths, setting
from spark_cxr.settings.films import Features, Ingest, Phantoms
from spark_cxr.settings.learning import AnyHead, Compare, Finetune, Gate, Registry, Track, Train
from spark_cxr.settings.using import Drift, Load, Score, Serve

__all__ = [
    "EXPLAIN_METHODS",
    "FLAGS_OF",
    "PEERS",
    "SECTIONS",
    "UNMATCHED",
    "WITHOUT_OUT",
    "AnyHead",
    "Audit",
    "Bench",
    "Compare",
    "Config",
    "Drift",
    "Explain",
    "Features",
    "Finetune",
    "Gate",
    "Ingest",
    "Load",
    "Names",
    "Paths",
    "Phantoms",
    "Registry",
    "Run",
    "Score",
    "Serve",
    "Track",
    "Train",
    "nearest",
    "setting",
]


@dataclass(frozen=True)
class Run:
    """Section [run]: what every job takes."""

    out: str
    overwrite: bool
    seed: int = setting(least=0, most=2**63 - 1)


@dataclass(frozen=True)
class Config:
    """All settings of one run."""

    run: Run
    phantoms: Phantoms
    ingest: Ingest
    features: Features
    train: Train
    finetune: Finetune
    gate: Gate
    any_head: AnyHead
    track: Track
    registry: Registry
    compare: Compare
    bench: Bench
    audit: Audit
    score: Score
    explain: Explain
    drift: Drift
    serve: Serve
    load: Load


SECTIONS: dict[str, Any] = get_type_hints(Config)
WITHOUT_OUT = frozenset(("score", "serve", "load"))
"""Sections of verbs that write to a place of their own or nowhere, and take nothing of [run]."""


_TRAIN = ("phantoms", "ingest", "features", "train", "gate")
FLAGS_OF = {
    "train": (*_TRAIN, "track", "registry"),
    "finetune": (*_TRAIN, "finetune", "track", "registry"),
    "compare": ("phantoms", "ingest", "features", "train", "compare", "track"),
    "audit": ("ingest", "features", "audit"),
}
"""The sections that are flags of a job, where reports write its command line out again."""


def nearest(word: str, known: Sequence[str]) -> str:
    """Say which known word was probably meant, or list them all."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}"
