"""What the page of an evaluation is made from: everything computed, nothing drawn yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.finding_records import FindingMetrics
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.measure import Overlap
from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.records import Metrics
from spark_cxr.metrics.results import DataSummary, Mistake, PartTable, Row, RunSummary
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.metrics.transfer import Transfer


@dataclass(frozen=True)
class EvaluationCounts:
    """Which labelled films were measured, and which were not."""

    measured: int
    refused: int
    """Of these, films for which the model names no class: nobody is shown an answer."""
    unreadable: int
    """Files that are no images to work with."""
    exact: int | None
    """Films that the model was trained on, left out; None: not known."""
    near: int | None
    """Further ones that are near-duplicates of such, left out."""
    strangers: Mapping[str, int] = field(default_factory=dict)
    """Films left out because the model has no class for their label, by label."""
    flags: Mapping[str, int] = field(default_factory=dict)
    """Measured films by what the model remarks on them."""

    @property
    def answered(self) -> int:
        """Count the films that somebody would have had an answer for."""
        return self.measured - self.refused

    @property
    def refused_share(self) -> float:
        """Give the share of the films that had none."""
        return self.refused / self.measured if self.measured else 0.0

    @property
    def trained_on(self) -> int:
        """Count the films left out because the training had them."""
        return (self.exact or 0) + (self.near or 0)


@dataclass(frozen=True)
class EvaluationReport:
    """All that the page of an evaluation shows."""

    job: str
    title: str
    metrics: Metrics | FindingMetrics
    """Over all measured films, those that are refused included, where their answers are known."""
    answered: Metrics | FindingMetrics | None
    """Over those that are not refused; None where none is, or none but such."""
    counts: EvaluationCounts
    training: Mapping[str, float | None]
    """Figures of the model's own test, as its model.json has them."""
    data: DataSummary
    model: tuple[Row, ...]
    run: RunSummary
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Labels of the films whose class goes by another name."""
    untested: tuple[str, ...] = ()
    """Classes of the model that no film here has."""
    parts: tuple[PartTable, ...] = ()
    finding_parts: tuple[FindingPartTable, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    """Each figure here against that of the model's own test."""
    decision: DecisionFigures | None = None
    """What operating points and sets of the model give here."""
    net_benefit: tuple[DecisionCurve, ...] = ()
    missed: SubgroupGaps | None = None
    """Disease that is missed, group by group."""
    mistakes: tuple[Mistake, ...] = ()
    matrix: MatrixFilms | None = None
    """The films behind the confusion matrix."""
    caveats: tuple[str, ...] = ()
    overlap: Overlap | None = None
    """Films that the network below the head was trained on; they are measured."""

    def to_json(self) -> dict[str, Any]:
        """Give the content of evaluation.json."""
        parts = {each.by: [part.to_json() for part in each.parts] for each in self.parts}
        for each in self.finding_parts:
            parts[each.by] = [part.to_json() for part in each.parts]
        return {
            **self.metrics.to_json(),
            "films": asdict(self.counts) | {"answered": self.counts.answered},
            "as_answered": self.answered and self.answered.to_json(),
            "training": dict(self.training),
            "does_it_hold": [each.to_json() for each in self.transfers],
            "renamed": dict(self.renamed),
            "untested": list(self.untested),
            "parts": parts,
            "decision": self.decision and self.decision.to_json(),
            "net_benefit": {each.label: each.to_json() for each in self.net_benefit},
            "subgroups": self.missed and self.missed.to_json(),
            "overlap": self.overlap and self.overlap.to_json(),
            "model": dict(self.model),
            "caveats": list(self.caveats),
        }
