"""A made-up training with its model and metrics.json, as card and sheets take it."""

import dataclasses
import json
from pathlib import Path

from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.results import TrainingReport
from spark_cxr.report.card_record import ModelCard, ModelSummary, of_training
from spark_cxr.settings import Gate

GATE = Gate(false_alarms=0.01, far=1.3, colour=1.0, refuse=())


def summary(labels: tuple[str, ...], **changes) -> ModelSummary:
    """Tell about a model."""
    given = ModelSummary(
        name="lr-0123456789",
        identity="lr-0123456789-abcdef0123",
        labels=labels,
        head="lr",
        network="CXRNet",
        weights="ships with spark_cxr",
        weights_sha256="ab" * 32,
        licence="Apache-2.0 (trained from weights under MIT)",
        engine="openvino on CPU in bf16",
        features=512,
        preprocessing=3,
        data="0123456789",
        version="0.3.0",
    )
    return dataclasses.replace(given, **changes)


def figures_of(report: TrainingReport | FindingsReport) -> dict:
    """Give what the training of such a report writes into metrics.json."""
    return {
        **report.metrics.to_json(),
        "n_train": report.split.n_train,
        "n_test": report.split.n_test,
        "files": report.data.files,
        "images": report.data.images,
        "quarantined": sum(each.count for each in report.data.quarantined),
        "split": report.split.method,
        "test_images_with_patient_or_twin_in_training": report.split.shared,
        "overlap": {},
        "data": [report.data.source],
        "head": "lr",
        "setting": {"regParam": 0.01},
        "balance": False,
        "learning_curve": [each.to_json() for each in getattr(report, "learning", ())],
        "caveats": list(report.caveats),
    }


def card_of(report: TrainingReport | FindingsReport, **changes) -> ModelCard:
    """Make the card of a training."""
    found, points = report.metrics, {}
    if isinstance(report, FindingsReport):
        labels, points = found.findings, {row.finding: row.threshold for row in found.rows}
    else:
        labels = found.labels
    model = summary(labels, **{"thresholds": points, **changes})
    return of_training(report, model, GATE, figures_of(report))


def places_in(sheets: str) -> set[tuple[str, str]]:
    """Read from sheets in Markdown where their answers stand: a file, and a key or a heading."""
    found = set()
    for line in sheets.splitlines():
        cells = line.split(" | ")
        if len(cells) == 4 and ("filled" in cells[1] or "for you" in cells[1]):
            for place in filter(None, cells[3].removesuffix("|").strip().split("; ")):
                file, _, keys = place.partition(": ")
                found |= {(file, key) for key in keys.split(", ")}
    return found


def missing_places(folder: Path) -> list[tuple[str, str]]:
    """Give the places that the sheets of a run name and that are not there."""
    named = places_in((folder / "sheets.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    return sorted(place for place in named if not _is_there(folder, *place))


def _is_there(folder: Path, file: str, key: str) -> bool:
    path = folder / file
    if not key:
        return path.exists()
    if path.suffix == ".html":
        return f"<h2>{key}</h2>" in path.read_text(encoding="utf-8")
    value = json.loads(path.read_text(encoding="utf-8"))
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True
