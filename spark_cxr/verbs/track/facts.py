"""metrics.json, comparison.json and model.json → words, numbers and curves for a tracking store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from spark_cxr.model.manifest import Manifest
from spark_cxr.settings import Config

WHOLE = ("accuracy", "majority", "f1_macro", "auc_macro", "log_loss", "brier", "ece")
PER_LABEL = ("precision", "recall", "f1", "auc", "average_precision", "sensitivity", "support")
COUNTS = (
    *("n_train", "n_test", "files", "images", "quarantined", "groups", "mean_gap_by_image"),
    *("seconds_training", "fit_seconds", "folds_sd", "images_per_second"),
    *("n_val", "kept_out", "best_epoch", "epochs", "images_per_second_training"),
    "test_images_with_patient_or_twin_in_training",
    "test_images_the_network_was_trained_on",
)
INTERVALS = (*WHOLE, *PER_LABEL)
DESCRIBED = (
    "engine",
    "backbone",
    "weights",
    "head",
    "split",
    "balance",
    "data",
    "best",
    "started_from",
)
EPOCHS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
"""Of a network that learned: values for each epoch."""
PARAM_CHARS = 500
"""What every MLflow, also an older server, takes as a parameter's value."""


@dataclass(frozen=True)
class Facts:
    """What one run of MLflow is told."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Metrics with a value for each fold, setting that was tried, or epoch."""
    note: str = ""
    """Lines that MLflow shows above a run."""
    parts: tuple[Facts, ...] = ()
    """Runs below this one: the rows of a comparison."""


def training_facts(job: str, told: Mapping[str, Any], made: Manifest | None, cfg: Config) -> Facts:
    """Gather the facts of a training from the content of metrics.json and model.json."""
    points = told.get("tuned", {}).get("points", [])
    asked = {"test_fraction": str(cfg.train.test_fraction), "tune": _word(cfg.train.tune)}
    tried = {f"tune.setting.{n}": _word(dict(point["setting"])) for n, point in enumerate(points)}
    return Facts(
        name=made.name if made else job,
        params={**_params(job, told, cfg), **asked, **(_origin(made) if made else {}), **tried},
        metrics=_metrics(told),
        curves={
            f"tune.{name}": [point[name] for point in points]
            for name in ("log_loss", "spread")
            if points
        }
        | _epochs(told),
        note=_note(told),
    )


def comparison_facts(job: str, told: Mapping[str, Any], cfg: Config) -> Facts:
    """Gather the facts of a comparison from the content of comparison.json: a part for each row."""
    splits = [told[name]["method"] for name in ("split", "image_split") if told.get(name)]
    dealt = {"folds": str(cfg.compare.folds), "split": ",".join(splits)}
    return Facts(
        name=f"{job}: {told['best']}",
        params={**_params(job, told, cfg), **dealt},
        metrics=_metrics(told),
        note=_note(told),
        parts=tuple(part for row in told["ranking"] for part in _rows(row, told)),
    )


def _rows(row: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[Facts]:
    """Give a row of the ranking as one run for each way in which its films were split."""
    who = {"backbone": row["backbone"], "head": row["head"], **_setting(row)}
    for found, split in ((row, told["split"]), (row.get("by_image"), told.get("image_split"))):
        if found and split:
            by = split["method"]
            yield Facts(
                name=f"{row['head']} on {row['backbone']} by {by}",
                params={name: _word(value) for name, value in {**who, "split": by}.items()},
                metrics=_metrics(found),
                curves={"fold.accuracy": found["folds"]},
            )


def _params(job: str, told: Mapping[str, Any], cfg: Config) -> dict[str, str]:
    asked = {
        "job": job,
        "seed": cfg.run.seed,
        "classes": told.get("labels") or cfg.train.classes,
        "dataset": cfg.ingest.dataset,
        "likeness": cfg.ingest.likeness,
    }
    found = {name: told[name] for name in DESCRIBED if name in told}
    recipe = {f"recipe.{name}": value for name, value in told.get("recipe", {}).items()}
    params = {**asked, **found, **_setting(told), **_used(told), **recipe}
    return {name: _word(value) for name, value in params.items() if value not in ("", (), [])}


def _setting(told: Mapping[str, Any]) -> dict[str, Any]:
    return {f"setting.{_name(name)}": value for name, value in (told.get("setting") or {}).items()}


def _used(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.get("used", {}).items() if value is not None}


def _origin(made: Manifest) -> dict[str, str]:
    """Say where the model comes from, so that two runs on the same things can be told."""
    told = {
        **{f"weights.{name}": value for name, value in asdict(made.weights).items()},
        "data.fingerprint": made.data,
        "preprocessing": made.preprocessing,
        "features": made.features,
        "model": made.name,
        **{f"version.{name}": version for name, version in made.versions.items()},
    }
    return {name: _word(value) for name, value in told.items() if value != ""}


def _metrics(told: Mapping[str, Any]) -> dict[str, float]:
    found = {name: told.get(name) for name in (*WHOLE, *COUNTS)}
    for name in PER_LABEL:
        found |= {f"{name}.{label}": value for label, value in (told.get(name) or {}).items()}
    for name, ends in _intervals(told.get("intervals", {})):
        found |= {f"{name}.low": ends[0], f"{name}.high": ends[1]} if ends else {}
    found |= {f"mllib.{name}": value for name, value in told.get("mllib", {}).items()}
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return {_name(name): float(value) for name, value in numbers.items()}


def _epochs(told: Mapping[str, Any]) -> dict[str, list[float]]:
    """Give the curves of a network that learned."""
    history = told.get("history", ())
    return {f"epoch.{n}": [each[n] for each in history] for n in EPOCHS} if history else {}


def _intervals(told: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[float] | None]]:
    for name in INTERVALS:
        ends = told.get(name)
        if isinstance(ends, Mapping):
            yield from ((f"{name}.{label}", pair) for label, pair in ends.items())
        else:
            yield name, ends


def _note(told: Mapping[str, Any]) -> str:
    return "\n".join(f"- {caveat}" for caveat in told.get("caveats", ()))


def _name(words: str) -> str:
    """Keep to the characters that MLflow allows in names; a label may have others."""
    return re.sub(r"[^\w\-. /]", "_", words, flags=re.ASCII)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= PARAM_CHARS else text[: PARAM_CHARS - 1] + "…"
