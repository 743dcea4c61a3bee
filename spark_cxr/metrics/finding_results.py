"""What the pages of several findings are made from: everything computed, nothing drawn yet."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from spark_cxr.metrics import FindingMetrics, Overlap, PairedFindings
from spark_cxr.metrics.comparison_results import FoldSummary
from spark_cxr.metrics.decision_results import DecisionFigures
from spark_cxr.metrics.finding_parts import FindingPartTable
from spark_cxr.metrics.finding_records import FindingLearningPoint
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.results import (
    AuditSummary,
    ClassPanels,
    DataSummary,
    LearningSummary,
    Row,
    RunSummary,
    SplitSummary,
)
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps


@dataclass(frozen=True)
class FindingCount:
    """What there was to learn a finding from."""

    finding: str
    known: int
    """Training films where it is known."""
    positives: int


@dataclass(frozen=True)
class OmittedFinding:
    """A finding in the labels that has no head, and why."""

    finding: str
    reason: str
    """As a reader finds it: "7 positive training films, 10 are needed"."""


@dataclass(frozen=True)
class FindingsReport:
    """All that the page of a training of several findings shows."""

    job: str
    title: str
    metrics: FindingMetrics
    data: DataSummary
    """Its `classes` stay empty; `counts` has the training films."""
    split: SplitSummary
    model: tuple[Row, ...]
    """Head, backbone, weights, engine, precision, device: what was really used."""
    run: RunSummary
    counts: tuple[FindingCount, ...] = ()
    omitted: tuple[OmittedFinding, ...] = ()
    caveats: tuple[str, ...] = ()
    """What a reader must know of data and network; those of the figures are added."""
    matrix: MatrixFilms | None = None
    """The films of wrong answers, finding by finding."""
    parts: tuple[FindingPartTable, ...] = ()
    learning: tuple[FindingLearningPoint, ...] = ()
    audit: AuditSummary | None = None
    overlap: Overlap | None = None
    """Test films that the network was trained on."""
    panels: tuple[ClassPanels, ...] = ()
    """Test films with their heat, each under the finding that leads."""
    heat: str = ""
    """How that was made."""
    learned: LearningSummary | None = None
    """Where the network itself was trained."""
    missed: SubgroupGaps | None = None
    """Films with a finding of which none is named, by group."""
    decision: DecisionFigures | None = None
    """What recalibration, operating points and sets give on the test."""
    net_benefit: tuple[DecisionCurve, ...] = ()
    """What acting on the answers would be worth, of the commonest findings."""


@dataclass(frozen=True)
class FindingsRow:
    """One backbone and head of a comparison, measured on the same films as the others."""

    backbone: str
    head: str
    """As a heading names it: "Random forest"."""
    metrics: FindingMetrics
    fit_seconds: float
    folds: tuple[float, ...] = ()
    """Macro AUC of each fold, in the order of the folds."""
    behind: PairedFindings | None = None
    """The best row (first) against this one (second)."""
    images_per_second: float | None = None
    setting: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        """Name it in a sentence."""
        return f"{self.head} on {self.backbone}"

    def to_json(self) -> dict[str, Any]:
        """Give everything for comparison.json."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "setting": dict(self.setting),
            **self.metrics.to_json(),
            "folds": list(self.folds),
            "fit_seconds": self.fit_seconds,
            "images_per_second": self.images_per_second,
            "behind_the_best": self.behind and self.behind.to_json(),
        }


@dataclass(frozen=True)
class FindingsComparison:
    """All that the page of a comparison of findings shows."""

    job: str
    title: str
    rows: tuple[FindingsRow, ...]
    """The best first, as `ranked_findings` puts them; all measured on the same films."""
    data: DataSummary
    split: FoldSummary
    run: RunSummary
    setup: tuple[Row, ...] = ()
    """Weights, engine, precision, tuning: what was really used."""
    omitted: tuple[OmittedFinding, ...] = ()
    caveats: tuple[str, ...] = ()
    parts: tuple[FindingPartTable, ...] = ()
    """Of the best."""
    missed: SubgroupGaps | None = None
    """Films with a finding of which the best names none, by group."""
    audit: AuditSummary | None = None

    @property
    def best(self) -> FindingsRow:
        """Give the row that comes first."""
        return self.rows[0]

    def to_json(self) -> dict[str, Any]:
        """Give the content of comparison.json."""
        return {
            "best": self.best.name,
            "split": asdict(self.split),
            "ranking": [row.to_json() for row in self.rows],
            "left_out": {each.finding: each.reason for each in self.omitted},
            "parts": {t.by: [part.to_json() for part in t.parts] for t in self.parts},
            **({"subgroups": self.missed.to_json()} if self.missed else {}),
            "caveats": list(self.caveats),
            "audit": [check.to_json() for check in self.audit.checks] if self.audit else [],
        }


def ranked_findings(rows: Iterable[FindingsRow]) -> tuple[FindingsRow, ...]:
    """Order rows by macro AUC, then by macro average precision, then by name."""

    def place(row: FindingsRow) -> tuple[float, float, str]:
        mean = row.metrics.macro
        return (-(mean.auc.value or 0.0), -(mean.average_precision.value or 0.0), row.name)

    return tuple(sorted(rows, key=place))
