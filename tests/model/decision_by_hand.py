"""A decision as a training would leave it, for the labels of `model_by_hand`."""

from spark_cxr.metrics.conformal import ConformalSets
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.operating_points import OperatingPoint
from spark_cxr.metrics.recalibration import Recalibration
from spark_cxr.metrics.records import Interval
from spark_cxr.model.decision import Decision
from tests.model.findings_by_hand import THRESHOLDS
from tests.model.model_by_hand import LABELS


def point(label, threshold=0.4, **changes):
    told = {
        "target": "sensitivity",
        "wanted": 0.95,
        "reached": Estimate(0.96, Interval(0.9, 1.0)),
        "other": Estimate(0.7),
        "positives": 40,
        "groups": 90,
    }
    return OperatingPoint(label, threshold, **told | changes)


def decision(**changes):
    told = {
        "recalibration": Recalibration("temperature", (2.0,)),
        "points": (point("COVID-19"),),
        "sets": ConformalSets(0.9, dict.fromkeys(LABELS, 0.7), dict.fromkeys(LABELS, 30)),
        "films": 120,
        "patients": 90,
    }
    return Decision(**told | changes)


def decision_of_findings(**changes):
    counts = dict.fromkeys(THRESHOLDS, 30)
    told = {
        "recalibration": Recalibration("temperature", (2.0,) * 4, shift=(0.1,) * 4),
        "points": (point("Mass", THRESHOLDS["Mass"]),),
        "sets": ConformalSets(
            *(0.9, dict.fromkeys(THRESHOLDS, 0.8), counts),
            *({**dict.fromkeys(THRESHOLDS, 0.3), "Hernia": None}, counts),
        ),
        "films": 120,
        "patients": 90,
    }
    return Decision(**told | changes)
