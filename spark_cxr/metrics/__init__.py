"""How good a classifier is, as numbers with intervals: labels and probabilities in, records out.

`measure` is the whole of one classifier, `compare_paired` of two on the same films;
`measure_findings` and `compare_findings` do the same for several findings a film. The rest is
there for who needs one piece. Numpy only.
"""

from spark_cxr.metrics.calibration import reliability
from spark_cxr.metrics.finding_parts import FindingPart, measure_finding_parts
from spark_cxr.metrics.finding_records import FindingMetrics, PairedFindings
from spark_cxr.metrics.findings import compare_findings, measure_findings
from spark_cxr.metrics.measure import Overlap, Part, measure, measure_parts
from spark_cxr.metrics.paired import Difference, Paired, compare_paired, mcnemar
from spark_cxr.metrics.ranks import area_under_roc, precision_recall, roc, sensitivity_at
from spark_cxr.metrics.records import (
    Averages,
    Band,
    Curves,
    Interval,
    Intervals,
    LearningPoint,
    Metrics,
    PrecisionRecallCurve,
    Reliability,
    RocCurve,
    learning_curve,
)

__all__ = [
    "Averages",
    "Band",
    "Curves",
    "Difference",
    "FindingMetrics",
    "FindingPart",
    "Interval",
    "Intervals",
    "LearningPoint",
    "Metrics",
    "Overlap",
    "Paired",
    "PairedFindings",
    "Part",
    "PrecisionRecallCurve",
    "Reliability",
    "RocCurve",
    "area_under_roc",
    "compare_findings",
    "compare_paired",
    "learning_curve",
    "mcnemar",
    "measure",
    "measure_finding_parts",
    "measure_findings",
    "measure_parts",
    "precision_recall",
    "reliability",
    "roc",
    "sensitivity_at",
]
