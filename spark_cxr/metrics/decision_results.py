"""What the decision of a model comes to on a test: records for metrics.json and the page."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spark_cxr.metrics.calibration import FLOOR, honest_ece, reliability
from spark_cxr.metrics.conformal import RULE_OUT, LabelCoverage, Verdicts
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.net_benefit import PredictiveValues
from spark_cxr.metrics.operating_points import OperatingPoint
from spark_cxr.metrics.records import Reliability
from spark_cxr.metrics.sample import Flags, Floats


@dataclass(frozen=True)
class Trust:
    """How far stated probabilities can be trusted on some films."""

    log_loss: float
    brier: float
    """As in `Metrics` and `FindingFigures`: 0 best, 1 worst."""
    ece: float
    honest_ece: float
    """What the calibration error of honest probabilities stays below in 97.5 % of such tests."""
    reliability: Reliability

    def to_json(self) -> dict[str, float]:
        """Give the figures; the curve stays out."""
        names = ("log_loss", "brier", "ece", "honest_ece")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class PointFigures:
    """An operating point, and what it gives on the test."""

    point: OperatingPoint
    sensitivity: Estimate
    specificity: Estimate
    worth: PredictiveValues | None
    """PPV and NPV at the prevalence that was stated, or that of the test."""

    def to_json(self) -> dict[str, Any]:
        """Give all by name; what the training films gave is `learned`."""
        return {
            "threshold": self.point.threshold,
            "learned": self.point.to_json(),
            "sensitivity": asdict(self.sensitivity),
            "specificity": asdict(self.specificity),
            **(self.worth.to_json() if self.worth else {}),
        }


@dataclass(frozen=True)
class DecisionFigures:
    """Recalibration, operating points and sets of a model, on the films of its test."""

    films: int
    patients: int
    """From how much it was learned."""
    kind: str
    """Of the recalibration; empty: none."""
    before: Trust | None
    """What the head states; None where nothing is recalibrated."""
    after: Trust | None
    points: tuple[PointFigures, ...]
    coverage: float
    """Wanted; 0: no sets."""
    covered: tuple[LabelCoverage, ...]
    left: Mapping[int, int]
    """Of classes: how many films have so many of them not ruled out."""
    too_few: tuple[str, ...] = ()
    """Labels with too few patients for a limit: they are never ruled out, or in."""
    temperature: tuple[float, ...] = ()
    """One for all classes, or one a finding; of isotonic recalibration none."""

    def to_json(self) -> dict[str, Any]:
        """Give the entry `decision` of metrics.json."""
        found: dict[str, Any] = {"films": self.films, "patients": self.patients}
        if self.before and self.after:
            found |= {
                "recalibration": self.kind,
                "temperature": list(self.temperature),
                "before": self.before.to_json(),
                "after": self.after.to_json(),
            }
        if self.points:
            found["points"] = {each.point.label: each.to_json() for each in self.points}
        if self.coverage:
            found |= {
                "coverage": self.coverage,
                "covered": {each.label: each.to_json() for each in self.covered},
                "left": {str(size): films for size, films in self.left.items()},
                "too_few": list(self.too_few),
            }
        return found


def trust_of_classes(truth: ArrayLike, probabilities: Floats, seed: int) -> Trust:
    """Measure what is stated of classes, of which a film has one."""
    sure, place = probabilities.max(axis=1), np.asarray(truth, dtype=int)
    own = probabilities[np.arange(len(place)), place]
    wanted = np.eye(probabilities.shape[1])[place]
    brier = ((probabilities - wanted) ** 2).sum(axis=1) / 2
    return _trust(own, brier, sure, probabilities.argmax(axis=1) == place, seed)


def trust_of_findings(truth: Floats, probabilities: Floats, seed: int) -> Trust:
    """Measure what is stated of findings: all known answers in one pool."""
    known = ~np.isnan(truth)
    has, stated = truth[known], probabilities[known]
    own = np.where(has == 1, stated, 1 - stated)
    return _trust(own, (stated - has) ** 2, stated, has == 1, seed)


def _trust(own: Floats, brier: Floats, sure: Floats, right: Flags, seed: int) -> Trust:
    curve = reliability(sure, right)
    loss = float(-np.log(np.clip(own, FLOOR, 1.0)).mean())
    return Trust(loss, float(brier.mean()), curve.ece, honest_ece(sure, seed), curve)


def sizes_of(verdicts: Verdicts) -> dict[int, int]:
    """Count the films by how many classes are left when others are ruled out."""
    left = (verdicts != RULE_OUT).sum(axis=1)
    sizes, counts = np.unique(left, return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist(), strict=True))
