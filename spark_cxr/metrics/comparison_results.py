"""What a comparison page shows: each backbone with each head, measured on the same films."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

from spark_cxr.datasets import PublishedResult
from spark_cxr.metrics import Metrics, Overlap, Paired, Part
from spark_cxr.metrics.matrix_films import MatrixFilms
from spark_cxr.metrics.results import (
    AuditSummary,
    DataSummary,
    Mistake,
    PartTable,
    Row,
    RunSummary,
)
from spark_cxr.metrics.subgroup_gaps import SubgroupGaps
from spark_cxr.metrics.vector_map import VectorMap


@dataclass(frozen=True)
class FoldSummary:
    """How the films were dealt into folds, and what that leaves open."""

    method: str
    """Follows "by" in a sentence: "patient", "image", "film" where no patient is known."""
    folds: int
    """1 where there is one test set and no folds."""
    shared: int | None
    """Films tested with their patient or twin in training; None where that is not known."""
    unit: str | None = "patient"
    """What was kept together and resampled, in the singular; None where nothing was known."""
    notes: tuple[Row, ...] = ()
    patients: str = ""
    """What is true of patients there: "no patient is known"; empty where `method` says all."""


@dataclass(frozen=True)
class ComparisonOutcome:
    """One backbone and head under one way of splitting."""

    metrics: Metrics
    """Of all out-of-fold predictions together: every film tested once."""
    folds: tuple[float, ...]
    """Accuracy of each fold, in the order of the folds."""
    fit_seconds: float
    """Of all folds together, features not counted."""

    @property
    def spread(self) -> float | None:
        """Give the standard deviation of the folds; None below two."""
        return stdev(self.folds) if len(self.folds) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Give the measures under the names of metrics.json, and the folds."""
        return {
            **self.metrics.to_json(),
            "folds": list(self.folds),
            "folds_sd": self.spread,
            "fit_seconds": self.fit_seconds,
        }


@dataclass(frozen=True)
class ComparisonRow:
    """One backbone and head."""

    backbone: str
    head: str
    """As a heading names it: "Random forest"."""
    outcome: ComparisonOutcome
    """Under the split that counts, by patient where patients are known."""
    by_image: ComparisonOutcome | None = None
    """Under a split by image, as most papers do it."""
    behind: Paired | None = None
    """The best row (first) against this one (second) under the split that counts."""
    leak: Paired | None = None
    """This row by image (first) against itself under the split that counts (second)."""
    images_per_second: float | None = None
    """Of featurizing with this backbone; None where the features were there already."""
    setting: tuple[Row, ...] = ()
    """What tuning chose, for the reader."""
    overlap: Overlap | None = None
    """Films that the backbone was trained on."""

    @property
    def name(self) -> str:
        """Name it in a sentence."""
        return f"{self.head} on {self.backbone}"

    @property
    def gap(self) -> float | None:
        """Give by how much a split by image makes it look better."""
        if self.by_image is None:
            return None
        return self.by_image.metrics.accuracy - self.outcome.metrics.accuracy

    def to_json(self) -> dict[str, Any]:
        """Give everything for comparison.json."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "setting": dict(self.setting),
            **self.outcome.to_json(),
            "images_per_second": self.images_per_second,
            "overlap": self.overlap and self.overlap.to_json(),
            "by_image": self.by_image and self.by_image.to_json(),
            "leak": self.leak and self.leak.to_json(),
            "behind_the_best": self.behind and self.behind.to_json(),
        }


@dataclass(frozen=True)
class SourceRow:
    """One backbone and head, each film tested by a head that has learned from other sources."""

    backbone: str
    head: str
    metrics: Metrics
    """Of the films of all sources together."""
    sources: tuple[Part, ...]

    @property
    def name(self) -> str:
        """Name it in a sentence."""
        return f"{self.head} on {self.backbone}"

    @property
    def macro_accuracy(self) -> float | None:
        """Average the sources that have a figure, each counting the same."""
        found = [each.accuracy for each in self.sources if each.accuracy is not None]
        return mean(found) if found else None

    @property
    def macro_auc(self) -> float | None:
        """Do the same with the AUC."""
        found = [each.auc_macro for each in self.sources if each.auc_macro is not None]
        return mean(found) if found else None

    def to_json(self) -> dict[str, Any]:
        """Give everything for comparison.json."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            **self.metrics.to_json(),
            "sources": [each.to_json() for each in self.sources],
            "macro_accuracy": self.macro_accuracy,
            "macro_auc": self.macro_auc,
        }


@dataclass(frozen=True)
class SourceComparison:
    """What the heads are worth on a source that they have not learned from."""

    rows: tuple[SourceRow, ...]
    """The best over all films first."""
    left_out: tuple[str, ...] = ()
    """Labels that cannot be tested elsewhere, and films without a source, in sentences."""

    def to_json(self) -> dict[str, Any]:
        """Give the content for comparison.json."""
        return {
            "ranking": [row.to_json() for row in self.rows],
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class ComparisonReport:
    """All that the page of a comparison shows: several classifiers on the same films."""

    job: str
    title: str
    rows: tuple[ComparisonRow, ...]
    """The best first, as `ranked` puts them."""
    data: DataSummary
    """Its `classes` may stay empty: every film is tested, so the metrics count them."""
    split: FoldSummary
    run: RunSummary
    image_split: FoldSummary | None = None
    setup: tuple[Row, ...] = ()
    """Weights, engine, precision, tuning: what was really used."""
    caveats: tuple[str, ...] = ()
    audit: AuditSummary | None = None
    published: tuple[PublishedResult, ...] = ()
    parts: tuple[PartTable, ...] = ()
    """Of the best."""
    mistakes: tuple[Mistake, ...] = ()
    """Of the best, the most confident first."""
    matrix: MatrixFilms | None = None
    """The films behind the confusion matrix of the best."""
    maps: tuple[VectorMap, ...] = ()
    """Of each network, with the mistakes of the best head on it; as the ranking has them."""
    missed: SubgroupGaps | None = None
    """Of the best: disease that it misses, by group."""
    by_source: SourceComparison | None = None
    """Stands before all else."""

    @property
    def best(self) -> ComparisonRow:
        """Give the row that comes first."""
        return self.rows[0]

    @property
    def overlaps(self) -> tuple[Overlap, ...]:
        """Give that of each backbone, with the figure of its best head."""
        found = {row.backbone: row.overlap for row in reversed(self.rows) if row.overlap}
        return tuple(reversed(found.values()))

    @property
    def gaps(self) -> tuple[float, ...]:
        """Give by how much a split by image flatters each row that was split both ways."""
        return tuple(row.gap for row in self.rows if row.gap is not None)

    @property
    def mean_gap(self) -> float | None:
        """Average them; None where nothing was split both ways."""
        return mean(self.gaps) if self.gaps else None

    def to_json(self) -> dict[str, Any]:
        """Give the content of comparison.json."""
        by_source = {"by_source": self.by_source.to_json()} if self.by_source else {}
        return {
            **by_source,
            "best": self.best.name,
            "split": asdict(self.split),
            "image_split": self.image_split and asdict(self.image_split),
            "mean_gap_by_image": self.mean_gap,
            "ranking": [row.to_json() for row in self.rows],
            "parts": {t.by: [part.to_json() for part in t.parts] for t in self.parts},
            **({"subgroups": self.missed.to_json()} if self.missed else {}),
            "caveats": list(self.caveats),
            "audit": [check.to_json() for check in self.audit.checks] if self.audit else [],
        }


def ranked(rows: Iterable[ComparisonRow]) -> tuple[ComparisonRow, ...]:
    """Order rows by accuracy, then by macro F1, then by name."""

    def place(row: ComparisonRow) -> tuple[float, float, str]:
        found = row.outcome.metrics
        return (-found.accuracy, -found.f1_macro, row.name)

    return tuple(sorted(rows, key=place))
