"""How good a classifier is, as numbers with intervals: labels and probabilities in, records out.

`measure` is the whole of it; the rest is there for who needs one piece. Numpy only.
"""

from spark_cxr.metrics.calibration import reliability
from spark_cxr.metrics.measure import measure
from spark_cxr.metrics.ranks import area_under_roc, precision_recall, roc, sensitivity_at
from spark_cxr.metrics.records import (
    Curves,
    Interval,
    Intervals,
    Metrics,
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
)

__all__ = [
    "Curves",
    "Interval",
    "Intervals",
    "Metrics",
    "PrecisionRecallCurve",
    "Reliability",
    "RocCurve",
    "area_under_roc",
    "measure",
    "precision_recall",
    "reliability",
    "roc",
    "sensitivity_at",
]
