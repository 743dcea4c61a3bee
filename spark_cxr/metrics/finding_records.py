"""What measuring several findings a film gives: frozen records, None wherever nothing is defined.

Every finding is a question of yes or no, put to the films whose answer is known.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from spark_cxr.metrics.paired import Difference
from spark_cxr.metrics.records import Interval, PrecisionRecallCurve, Reliability, RocCurve


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval."""

    value: float | None
    """None where the films cannot say: no positives, say."""
    interval: Interval | None = None


@dataclass(frozen=True)
class Figures:
    """How good the answers to a question of yes or no are.

    All but the first two and the Brier score depend on the operating point.
    """

    auc: Estimate
    average_precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    f1: Estimate
    brier: Estimate


FIGURES = tuple(each.name for each in fields(Figures))


@dataclass(frozen=True)
class FindingCurves:
    """What is drawn of a finding; None where a curve is not defined."""

    roc: RocCurve | None
    """Thinned to what a drawing can show, as is the next."""
    precision_recall: PrecisionRecallCurve | None
    reliability: Reliability | None
    """The stated probability of the finding against the share of films that have it."""


@dataclass(frozen=True)
class FindingFigures:
    """One finding over the films where it is known."""

    finding: str
    threshold: float
    """The operating point: from this probability on the answer is yes."""
    known: int
    positives: int
    unknowns: int
    groups: int
    """Patients with a film where it is known."""
    positive_groups: int
    """Patients with a film that has it; these bound what an interval can promise."""
    true_positives: int
    false_positives: int
    mean_probability: float | None
    """Held against the prevalence it says whether probabilities are too high or too low."""
    figures: Figures
    ece: float | None
    """Expected calibration error: mean distance of stated and found share, in ten bins."""
    ece_by_chance: float | None
    """What the calibration error of honest probabilities stays below in 97.5 % of such tests."""
    curves: FindingCurves

    @property
    def prevalence(self) -> float | None:
        """Give the share of the known films that have it."""
        return self.positives / self.known if self.known else None

    @property
    def negatives(self) -> int:
        """Count the films that are known not to have it."""
        return self.known - self.positives

    @property
    def confusion(self) -> dict[str, int]:
        """Count the four kinds of answers at the operating point."""
        return {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.positives - self.true_positives,
            "true_negatives": self.negatives - self.false_positives,
        }


@dataclass(frozen=True)
class CoOccurrence:
    """How often findings go together, over the films where both of a pair are known."""

    counts: tuple[tuple[int, ...], ...]
    """Films with the finding of the row and that of the column."""
    given: tuple[tuple[int, ...], ...]
    """Films with the finding of the row where that of the column is known."""

    @property
    def shares(self) -> tuple[tuple[float | None, ...], ...]:
        """Give the share of the films with the row's finding that have the column's as well."""
        return tuple(
            tuple(many / of if of else None for many, of in zip(*pair, strict=True))
            for pair in zip(self.counts, self.given, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Give counts and shares, row by row."""
        return {
            "counts": [list(row) for row in self.counts],
            "shares": [list(row) for row in self.shares],
        }


@dataclass(frozen=True)
class FindingMetrics:
    """One classifier of several findings on one test set."""

    n: int
    groups: int
    """Patients, or whatever was kept together; the intervals count these, not films."""
    rows: tuple[FindingFigures, ...]
    """One a finding, in the order of the model."""
    macro: Figures
    """The plain mean over the findings that have the figure, each counting alike."""
    micro: Figures
    """All known answers in one pool, so a finding counts as often as it is known."""
    micro_ece: float | None
    exact_match: Estimate
    """Share of the complete films with every finding answered correctly."""
    hamming_loss: Estimate
    """Share of all known answers that were wrong."""
    complete: int
    """Films where every finding is known."""
    truth: CoOccurrence
    answers: CoOccurrence
    """At the operating points, over the same pairs as the truth."""
    level: float
    resamples: int
    seed: int

    @property
    def findings(self) -> tuple[str, ...]:
        """Name the findings in the order of the model."""
        return tuple(row.finding for row in self.rows)

    @property
    def known(self) -> int:
        """Count the known answers of all findings together."""
        return sum(row.known for row in self.rows)

    @property
    def positives(self) -> int:
        """Count the positive ones among them."""
        return sum(row.positives for row in self.rows)

    def missing(self, figure: str) -> tuple[str, ...]:
        """Name the findings that lack a figure, and so do not count in its mean."""
        return tuple(row.finding for row in self.rows if _value(row.figures, figure) is None)

    def to_json(self) -> dict[str, Any]:
        """Give the measures under the names of `metrics.json`, without NaN; curves stay out."""
        counts = ("known", "positives", "unknowns", "groups", "positive_groups", "prevalence")
        others = ("mean_probability", "ece", "ece_by_chance", "threshold", "confusion")
        return {
            "labels": list(self.findings),
            "n": self.n,
            "groups": self.groups,
            "auc_macro": self.macro.auc.value,
            "auc_micro": self.micro.auc.value,
            "macro": _values(self.macro),
            "macro_of": {name: len(self.rows) - len(self.missing(name)) for name in FIGURES},
            "macro_without": {name: list(self.missing(name)) for name in FIGURES},
            "micro": {**_values(self.micro), "ece": self.micro_ece, "known": self.known},
            "complete": self.complete,
            "exact_match": self.exact_match.value,
            "hamming_loss": self.hamming_loss.value,
            **{name: self._by_finding(name) for name in FIGURES},
            "by_finding": {
                row.finding: {name: getattr(row, name) for name in (*counts, *others)}
                for row in self.rows
            },
            "co_occurrence": {"truth": self.truth.to_json(), "answers": self.answers.to_json()},
            "intervals": self._intervals_json(),
        }

    def _by_finding(self, figure: str) -> dict[str, float | None]:
        return {row.finding: _value(row.figures, figure) for row in self.rows}

    def _intervals_json(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "resamples": self.resamples,
            "seed": self.seed,
            "auc_macro": _pair(self.macro.auc),
            "auc_micro": _pair(self.micro.auc),
            "macro": _pairs(self.macro),
            "micro": _pairs(self.micro),
            "exact_match": _pair(self.exact_match),
            "hamming_loss": _pair(self.hamming_loss),
            **{
                name: {row.finding: _pairs(row.figures)[name] for row in self.rows}
                for name in FIGURES
            },
        }


@dataclass(frozen=True)
class PairedFindings:
    """Two classifiers of findings on the same films: the first minus the second."""

    n: int
    groups: int
    findings: tuple[str, ...]
    auc: tuple[Difference | None, ...]
    """None where the finding has no AUC on these films."""
    auc_macro: Difference | None
    average_precision_macro: Difference | None
    level: float
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return {
            "n": self.n,
            "groups": self.groups,
            "auc": dict(zip(self.findings, map(_difference_json, self.auc), strict=True)),
            "auc_macro": _difference_json(self.auc_macro),
            "average_precision_macro": _difference_json(self.average_precision_macro),
            "level": self.level,
            "resamples": self.resamples,
            "seed": self.seed,
        }


def _value(figures: Figures, name: str) -> float | None:
    found: Estimate = getattr(figures, name)
    return found.value


def _values(figures: Figures) -> dict[str, float | None]:
    return {name: _value(figures, name) for name in FIGURES}


def _pairs(figures: Figures) -> dict[str, list[float] | None]:
    return {name: _pair(getattr(figures, name)) for name in FIGURES}


def _pair(estimate: Estimate) -> list[float] | None:
    between = estimate.interval
    return None if between is None else [between.low, between.high]


def _difference_json(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    between = _pair(Estimate(found.value, found.interval))
    return {"value": found.value, "interval": between, "ahead": found.ahead}


@dataclass(frozen=True)
class FindingLearningPoint:
    """One size of training set, on the same test films as every other."""

    n_train: int
    auc_macro: float
    interval: Interval | None

    @property
    def value(self) -> float:
        """Give the figure of the curve."""
        return self.auc_macro

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self)


def finding_learning_curve(
    measured: Sequence[tuple[int, FindingMetrics]],
) -> tuple[FindingLearningPoint, ...]:
    """Make a curve of (training films, what was measured), the smallest training first.

    It is empty where the test has no AUC for any finding.
    """
    found = ((n_train, each.macro.auc) for n_train, each in sorted(measured, key=lambda m: m[0]))
    return tuple(
        FindingLearningPoint(n_train, auc.value, auc.interval)
        for n_train, auc in found
        if auc.value is not None
    )
