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
FINDINGS_WHOLE = ("auc_macro", "auc_micro", "exact_match", "hamming_loss")
PER_FINDING = (
    *("auc", "average_precision", "sensitivity", "specificity"),
    *("ppv", "npv", "f1", "brier"),
)
FINDING_COUNTS = ("known", "positives", "unknowns", "prevalence", "threshold", "ece")
MEANS = ("macro", "micro")
DESCRIBED = (
    *("engine", "backbone", "weights", "head", "split", "balance", "data", "best"),
    "started_from",
)
EPOCHS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
"""Of a network that learned: values for each epoch."""
FILMS = ("measured", "answered", "refused", "unreadable")
"""Counts of an evaluation."""
PARAM_CHARS = 500
"""What every MLflow, also an older server, takes as a parameter's value."""


@dataclass(frozen=True)
class TrackedRun:
    """The content of one run of MLflow."""

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Metrics with a value for each fold, setting that was tried, or epoch."""
    note: str = ""
    """Lines that MLflow shows above a run."""
    parts: tuple[TrackedRun, ...] = ()
    """Runs below this one: the rows of a comparison."""


def training_run(
    job: str, body: Mapping[str, Any], manifest: Manifest | None, cfg: Config
) -> TrackedRun:
    """Give a training as a run; `body` is the content of metrics.json."""
    points = body.get("tuned", {}).get("points", [])
    settings = {"test_fraction": str(cfg.train.test_fraction), "tune": _word(cfg.train.tune)}
    history = body.get("history", ())
    curves = {f"epoch.{n}": [each[n] for each in history] for n in EPOCHS if history}
    for name in ("log_loss", "spread"):
        curves |= {f"tune.{name}": [point[name] for point in points]} if points else {}
    tried = {f"tune.setting.{n}": _word(dict(point["setting"])) for n, point in enumerate(points)}
    origin = _origin(manifest) if manifest else {}
    return TrackedRun(
        name=manifest.name if manifest else job,
        params={**_params(job, body, cfg), **settings, **origin, **tried},
        metrics=_metrics(body),
        curves=curves,
        note=_note(body),
    )


def comparison_run(job: str, body: Mapping[str, Any], cfg: Config) -> TrackedRun:
    """Give a comparison as a run with a part for each row; `body` is that of comparison.json."""
    splits = [body[name]["method"] for name in ("split", "image_split") if body.get(name)]
    return TrackedRun(
        name=f"{job}: {body['best']}",
        params={
            **_params(job, body, cfg),
            **{"folds": str(cfg.compare.folds), "split": ",".join(splits)},
        },
        metrics=_metrics(body),
        note=_note(body),
        parts=tuple(part for row in body["ranking"] for part in _rows(row, body)),
    )


def evaluation_run(job: str, body: Mapping[str, Any], cfg: Config) -> TrackedRun:
    """Give an evaluation as a run; `body` is the content of evaluation.json."""
    model, answered = body["model"], body["as_answered"] or body
    films = {f"films.{name}": float(body["films"][name]) for name in FILMS}
    held = {f"held.{each['figure']}": each["verdict"] for each in body["does_it_hold"]}
    which = {"model": model["Identity"], "images": cfg.ingest.images, "table": cfg.evaluate.table}
    params = {**_params(job, body, cfg), **{n: _word(value) for n, value in which.items() if value}}
    shown = {f"answered.{name}": value for name, value in _metrics(answered).items()}
    return TrackedRun(
        name=f"{job}: {model['Name']}",
        params={**params, **{_name(name): value for name, value in held.items()}},
        metrics={**_metrics(body), **films, **(shown if body["as_answered"] else {})},
        note=_note(body),
    )


def _rows(row: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[TrackedRun]:
    """Give a row of the ranking as one run for each way in which its films were split."""
    who = {"backbone": row["backbone"], "head": row["head"], **_setting(row)}
    for found, split in ((row, body["split"]), (row.get("by_image"), body.get("image_split"))):
        if found and split:
            by = split["method"]
            yield TrackedRun(
                name=f"{row['head']} on {row['backbone']} by {by}",
                params={name: _word(value) for name, value in {**who, "split": by}.items()},
                metrics=_metrics(found),
                curves={f"fold.{_ranked_by(found)}": found["folds"]},
            )


def _params(job: str, body: Mapping[str, Any], cfg: Config) -> dict[str, str]:
    settings = {
        "job": job,
        "seed": cfg.run.seed,
        "classes": body.get("labels") or cfg.train.classes,
        "dataset": cfg.ingest.dataset,
        "likeness": cfg.ingest.likeness,
    }
    found = {name: body[name] for name in DESCRIBED if name in body}
    used = {name: value for name, value in body.get("used", {}).items() if value is not None}
    recipe = {f"recipe.{name}": value for name, value in body.get("recipe", {}).items()}
    params = {**settings, **found, **_setting(body), **used, **recipe}
    return {name: _word(value) for name, value in params.items() if value not in ("", (), [])}


def _setting(body: Mapping[str, Any]) -> dict[str, Any]:
    return {f"setting.{_name(name)}": value for name, value in (body.get("setting") or {}).items()}


def _origin(manifest: Manifest) -> dict[str, str]:
    """Say where the model comes from, to tell whether two runs used the same things."""
    origin = {
        **{f"weights.{name}": value for name, value in asdict(manifest.weights).items()},
        "data.fingerprint": manifest.data,
        "preprocessing": manifest.preprocessing,
        "features": manifest.features,
        "model": manifest.name,
        **{f"version.{name}": version for name, version in manifest.versions.items()},
    }
    return {name: _word(value) for name, value in origin.items() if value != ""}


def _ranked_by(row: Mapping[str, Any]) -> str:
    return "auc_macro" if "by_finding" in row else "accuracy"


def _metrics(body: Mapping[str, Any]) -> dict[str, float]:
    is_of_findings = "by_finding" in body
    whole, each = (FINDINGS_WHOLE, PER_FINDING) if is_of_findings else (WHOLE, PER_LABEL)
    found = {name: body.get(name) for name in (*whole, *COUNTS)}
    for name in each:
        found |= {f"{name}.{label}": value for label, value in (body.get(name) or {}).items()}
    if is_of_findings:
        found |= _finding_metrics(body)
    for name, ends in _intervals(body.get("intervals", {}), (*whole, *each)):
        found |= {f"{name}.low": ends[0], f"{name}.high": ends[1]} if ends else {}
    found |= {f"mllib.{name}": value for name, value in body.get("mllib", {}).items()}
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return {_name(name): float(value) for name, value in numbers.items()}


def _finding_metrics(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stands under a finding, and both means."""
    counts = {
        f"{name}.{finding}": row.get(name)
        for finding, row in body["by_finding"].items()
        for name in FINDING_COUNTS
    }
    means = {
        f"{mean}.{name}": value
        for mean in MEANS
        for name, value in body[mean].items()
        if name in (*PER_FINDING, "ece")
    }
    return counts | means


def _intervals(
    body: Mapping[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, Sequence[float] | None]]:
    for name in names:
        ends = body.get(name)
        if isinstance(ends, Mapping):
            yield from ((f"{name}.{label}", pair) for label, pair in ends.items())
        else:
            yield name, ends


def _note(body: Mapping[str, Any]) -> str:
    return "\n".join(f"- {caveat}" for caveat in body.get("caveats", ()))


def _name(words: str) -> str:
    """Keep to the characters that MLflow allows in names; a label may have others."""
    return re.sub(r"[^\w\-. /]", "_", words, flags=re.ASCII)


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= PARAM_CHARS else text[: PARAM_CHARS - 1] + "…"
