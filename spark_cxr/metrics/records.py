"""The results of measuring: frozen records, with None wherever a measure is not defined."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Values = tuple[float | None, ...]
"""One number per label, in the order of `Metrics.labels`; None where 0 would be divided by 0."""


@dataclass(frozen=True)
class Interval:
    """The ends of an interval, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals from resampling whole groups (patients); None where none can be given.

    Where every resample gives the same (all test images right, say), the resampling is silent
    about what it did not see. Shares then get Wilson's interval with groups for trials, and the
    others None. ECE and sensitivity have none: resampling biases the first upwards, and the
    second would need its threshold chosen anew in each resample.
    """

    level: float
    resamples: int
    seed: int
    accuracy: Interval | None
    f1_macro: Interval | None
    auc_macro: Interval | None
    log_loss: Interval | None
    brier: Interval | None
    precision: tuple[Interval | None, ...]
    recall: tuple[Interval | None, ...]
    f1: tuple[Interval | None, ...]
    auc: tuple[Interval | None, ...]
    average_precision: tuple[Interval | None, ...]


@dataclass(frozen=True)
class Band:
    """Between what most resamples of a curve lie: at each place along, a low and a high end."""

    at: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Averages:
    """Precision, recall and F1 of the labels that occur, averaged; as in scikit-learn's report."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class RocCurve:
    """One label against the rest: a point per distinct score, from (0, 0) to (1, 1)."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    band: Band | None = None
    """Of the true positive rate, along the false positive rate."""
    thresholds: tuple[float, ...] = ()
    """The score at and above which the answer is yes, at each point; infinite at (0, 0)."""


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """One label against the rest: a point per distinct score, recall rising."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    average_precision: float
    prevalence: float
    """The precision of a coin: what the curve has to stay above."""
    band: Band | None = None
    """Of the precision, along the recall."""


@dataclass(frozen=True)
class Reliability:
    """Stated confidence against the share that was right, in bins of equal width.

    Confidence is the probability of the predicted label. Empty bins hold None.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    confidence: Values
    right: Values
    ece: float
    """Expected calibration error: mean distance of the two, weighted by the counts."""


@dataclass(frozen=True)
class Curves:
    """What is drawn; a label that is absent from the test set, or alone in it, has no curve."""

    roc: tuple[RocCurve | None, ...]
    precision_recall: tuple[PrecisionRecallCurve | None, ...]
    reliability: Reliability


@dataclass(frozen=True)
class Metrics:
    """One classifier on one test set."""

    labels: tuple[str, ...]
    n: int
    groups: int
    """Patients, or whatever was kept together; the intervals count these, not images."""
    accuracy: float
    majority: float
    """The accuracy of always naming the commonest label of the test set."""
    f1_macro: float
    """Mean over the labels that occur, in the truth or in the predictions."""
    auc_macro: float | None
    """Mean over the labels that have an AUC."""
    log_loss: float
    brier: float
    """Mean squared distance of the probabilities from the truth, halved: 0 best, 1 worst."""
    ece: float
    precision: Values
    recall: Values
    f1: Values
    auc: Values
    average_precision: Values
    specificity: float
    """What `sensitivity` was read off at."""
    sensitivity: Values
    confusion: tuple[tuple[int, ...], ...]
    """Rows are the truth, columns the predictions."""
    intervals: Intervals
    curves: Curves

    @property
    def support(self) -> tuple[int, ...]:
        """Count the test images of each label."""
        return tuple(sum(row) for row in self.confusion)

    @property
    def macro(self) -> Averages:
        """Average over the labels that occur, each counting alike."""
        return self._averages([float(f1 is not None) for f1 in self.f1])

    @property
    def weighted(self) -> Averages:
        """Average over the labels, each counting as often as it has test images."""
        return self._averages(self.support)

    def _averages(self, weights: Sequence[float]) -> Averages:
        """Average; a label that is never predicted counts as precision 0, as everywhere."""
        whole = sum(weights)
        parts = (self.precision, self.recall, self.f1)
        means = (sum(w * (x or 0.0) for w, x in zip(weights, p, strict=True)) for p in parts)
        return Averages(*(each / whole for each in means))

    def to_json(self) -> dict[str, Any]:
        """Give the measures under the names of `metrics.json`, without NaN; curves stay out."""
        per_label = ("precision", "recall", "f1", "auc", "average_precision", "sensitivity")
        return {
            "labels": list(self.labels),
            "n": self.n,
            "groups": self.groups,
            **{name: getattr(self, name) for name in _WHOLE},
            "macro": asdict(self.macro),
            "weighted": asdict(self.weighted),
            **{name: self._by_label(getattr(self, name)) for name in per_label},
            "support": self._by_label(self.support),
            "specificity": self.specificity,
            "confusion": [list(row) for row in self.confusion],
            "intervals": self._intervals_json(),
        }

    def _intervals_json(self) -> dict[str, Any]:
        found = self.intervals
        whole = ("accuracy", "f1_macro", "auc_macro", "log_loss", "brier")
        per_label = ("precision", "recall", "f1", "auc", "average_precision")
        return {
            "level": found.level,
            "resamples": found.resamples,
            "seed": found.seed,
            **{name: _pair(getattr(found, name)) for name in whole},
            **{name: self._by_label(map(_pair, getattr(found, name))) for name in per_label},
        }

    def _by_label(self, values: Any) -> dict[str, Any]:
        return dict(zip(self.labels, values, strict=True))


_WHOLE: Sequence[str] = (
    "accuracy",
    "majority",
    "f1_macro",
    "auc_macro",
    "log_loss",
    "brier",
    "ece",
)


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


@dataclass(frozen=True)
class LearningPoint:
    """One size of training set, on the same test films as every other."""

    n_train: int
    accuracy: float
    interval: Interval | None

    @property
    def value(self) -> float:
        """Give the figure of the curve."""
        return self.accuracy

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self)


def learning_curve(measured: Sequence[tuple[int, Metrics]]) -> tuple[LearningPoint, ...]:
    """Make a curve of (training images, what was measured), the smallest training first."""
    return tuple(
        LearningPoint(n_train, metrics.accuracy, metrics.intervals.accuracy)
        for n_train, metrics in sorted(measured, key=lambda each: each[0])
    )
