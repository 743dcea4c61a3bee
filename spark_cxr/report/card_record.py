"""What a model card and its reporting sheets are made from: everything computed, nothing written.

A training fills it from its report and from the model that it has left (`of_training`); whoever
tests that model elsewhere fills it from what it has found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spark_cxr.metrics import FindingMetrics, Metrics, Overlap
from spark_cxr.metrics.evaluation_results import EvaluationReport
from spark_cxr.metrics.evaluation_wording import figure_of, left_out, refusals, verdict
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.finding_results import FindingsReport, OmittedFinding
from spark_cxr.metrics.finding_wording import finding_caveats
from spark_cxr.metrics.results import (
    AuditSummary,
    DataSummary,
    LearningSummary,
    PartTable,
    Row,
    RunSummary,
    SplitSummary,
    TrainingReport,
)
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.settings import Gate

EVALUATION = "evaluation.json"
METRICS, MODEL, RUN, PAGE = "metrics.json", "model/model.json", "run.json", "report.html"
"""The files of a training that a sheet points into, as they are called in its folder."""
CARD, SHEETS = "card.html", "sheets.html"
BESIDE: tuple[Row, ...] = ((CARD, "model card"), (SHEETS, "reporting sheets"))
"""What a report names as lying beside it."""


@dataclass(frozen=True)
class ModelSummary:
    """The model as it was written, from its model.json."""

    name: str
    identity: str
    """The name with the digest of all that its answers depend on."""
    labels: tuple[str, ...]
    head: str
    network: str
    weights: str
    """Where they come from."""
    weights_sha256: str
    licence: str
    """Of the network's weights."""
    engine: str
    features: int
    preprocessing: int
    """The number of the way from grey levels to what the network takes."""
    data: str
    """The fingerprint of films, labels and split."""
    version: str
    """Of spark_cxr."""
    takes_films: bool = True
    thresholds: Mapping[str, float] = field(default_factory=dict)
    decision: Mapping[str, Any] = field(default_factory=dict)
    """How probabilities become answers, as model.json has it; empty where it says nothing."""
    examples: int = 0
    """Films of its test that travel with it as pictures."""


@dataclass(frozen=True)
class ExternalTest:
    """The model on labelled films of another place."""

    place: str
    """As a sentence names it."""
    films: int
    groups: int
    figures: tuple[Row, ...]
    """What was measured, each with its interval, as it shall be read."""
    where: str
    """The file that has all of it: "evaluation.json"."""


@dataclass(frozen=True)
class ModelCard:
    """All that card and sheets say."""

    title: str
    job: str
    model: ModelSummary
    metrics: Metrics | FindingMetrics
    data: DataSummary
    run: RunSummary
    gate: Gate | None
    """None where only the model's own files know it."""
    figures: Mapping[str, Any]
    """The content of `figures_file`, which the sheets point into."""
    figures_file: str = METRICS
    model_file: str = MODEL
    split: SplitSummary | None = None
    """None where all films test."""
    overlap: Overlap | None = None
    parts: tuple[PartTable | FindingPartTable, ...] = ()
    omitted: tuple[OmittedFinding, ...] = ()
    caveats: tuple[str, ...] = ()
    audit: AuditSummary | None = None
    learned: LearningSummary | None = None
    heat: str = ""
    """How the films were drawn on which decisions are shown; empty where none were."""
    missed: SubgroupGaps | None = None
    """Missed disease by group."""
    external: tuple[ExternalTest, ...] = ()

    @property
    def is_of_findings(self) -> bool:
        """Tell whether a film may have several of the labels."""
        return isinstance(self.metrics, FindingMetrics)


def of_training(
    report: TrainingReport | FindingsReport,
    model: ModelSummary,
    gate: Gate,
    figures: Mapping[str, Any],
) -> ModelCard:
    """Take from the report of a training what its card says.

    Args:
        report: As its page shows it.
        model: What the training has left.
        gate: From where on a film is unlike the training.
        figures: The content of metrics.json.
    """
    caveats, omitted = report.caveats, tuple[OmittedFinding, ...]()
    if isinstance(report, FindingsReport):
        caveats, omitted = (*caveats, *finding_caveats(report.metrics)), report.omitted
    return ModelCard(
        title=report.title,
        job=report.job,
        model=model,
        metrics=report.metrics,
        data=report.data,
        run=report.run,
        gate=gate,
        figures=figures,
        split=report.split,
        overlap=report.overlap,
        parts=report.parts,
        omitted=omitted,
        caveats=caveats,
        audit=report.audit,
        learned=report.learned,
        heat=report.heat,
        missed=report.missed,
    )


def of_evaluation(report: EvaluationReport, model: ModelSummary) -> ModelCard:
    """Take from an evaluation what the card and the sheets of a test elsewhere say.

    Args:
        report: As its page shows it.
        model: The one that was tested.
    """
    found = report.metrics
    more = finding_caveats(found) if isinstance(found, FindingMetrics) else ()
    aside = (refusals(report.counts), left_out(report.counts))
    said = (("Figure", verdict(found)), *((figure_of(t), t.sentence) for t in report.transfers))
    test = ExternalTest(report.data.name, found.n, found.groups, said, EVALUATION)
    return ModelCard(
        title=report.title,
        job=report.job,
        model=model,
        metrics=found,
        data=report.data,
        run=report.run,
        gate=None,
        figures=report.to_json(),
        figures_file=EVALUATION,
        model_file="model.json",
        overlap=report.overlap,
        parts=(*report.parts, *report.finding_parts),
        caveats=(*filter(None, aside), *report.caveats, *more),
        missed=report.missed,
        external=(test,),
    )
