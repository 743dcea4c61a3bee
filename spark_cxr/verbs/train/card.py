"""The card and the reporting sheets that a training leaves beside its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from spark_cxr.images.sight import with_sight
from spark_cxr.metrics.evaluation_results import EvaluationReport
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.results import TrainingReport
from spark_cxr.model.examples import pictures_in
from spark_cxr.model.manifest import Manifest, read_manifest
from spark_cxr.output import Output
from spark_cxr.report.card_record import (
    CARD,
    SHEETS,
    ModelCard,
    ModelSummary,
    of_evaluation,
    of_training,
)
from spark_cxr.report.document import document_page
from spark_cxr.report.markdown import document_text
from spark_cxr.report.model_card import card_document, front_of
from spark_cxr.report.sheets import sheets_document
from spark_cxr.settings import Gate


def write_training_card(
    report: TrainingReport | FindingsReport,
    figures: Mapping[str, Any],
    gate: Gate,
    output: Output,
) -> None:
    """Write card and sheets of a training, whose model/ lies in the same directory already.

    Args:
        report: As its page shows it.
        figures: The content of metrics.json.
        gate: From where on a film is unlike the training.
        output: Where they go.
    """
    manifest = read_manifest(Output(output.table("model")))
    write_card(of_training(report, summary_of_model(manifest), gate, figures), output)


def write_evaluation_card(report: EvaluationReport, manifest: Manifest, output: Output) -> None:
    """Write card and sheets of a test elsewhere."""
    write_card(of_evaluation(report, summary_of_model(manifest)), output)


def write_card(card: ModelCard, output: Output) -> None:
    """Write a card and its sheets, each as a page and as Markdown."""
    whole, sheets = card_document(card), sheets_document(card)
    output.write_text(CARD, document_page(whole))
    output.write_text("card.md", document_text(whole, front_of(card)))
    output.write_text(SHEETS, document_page(sheets))
    output.write_text("sheets.md", document_text(sheets))


def summary_of_model(manifest: Manifest) -> ModelSummary:
    """Take from a model.json what a card says of it."""
    return ModelSummary(
        name=manifest.name,
        identity=manifest.identity,
        labels=manifest.labels,
        head=manifest.head,
        network=with_sight(manifest.backbone, manifest.see),
        weights=manifest.weights.origin,
        weights_sha256=manifest.weights.sha256,
        licence=manifest.weights.licence,
        engine=f"{manifest.engine} on {manifest.device} in {manifest.precision}",
        features=manifest.features,
        preprocessing=manifest.preprocessing,
        data=manifest.data,
        version=manifest.versions.get("spark_cxr", "not known"),
        takes_films=manifest.takes_films,
        thresholds=manifest.thresholds,
        decision=asdict(manifest).get("decision") or {},
        examples=len(pictures_in(manifest)),
    )
