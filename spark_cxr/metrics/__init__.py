"""How good a classifier is, as numbers with intervals: labels and probabilities in, records out.

`measure` is the whole of one classifier, `compare_paired` of two on the same films;
`measure_findings` and `compare_findings` do the same for several findings a film. `recalibrate`,
`operating_point` and `conformal_sets` turn probabilities into answers; `subgroup_gaps` says whose
disease is missed. The rest is there for who needs one piece. Numpy only.
"""

from spark_cxr.metrics.calibration import reliability
from spark_cxr.metrics.conformal import ConformalSets, LabelCoverage, conformal_sets, coverage_of
from spark_cxr.metrics.finding_parts import FindingPart, measure_finding_parts
from spark_cxr.metrics.finding_records import FindingMetrics, PairedFindings
from spark_cxr.metrics.findings import compare_findings, measure_findings
from spark_cxr.metrics.measure import Overlap, Part, measure, measure_parts
from spark_cxr.metrics.net_benefit import (
    DecisionCurve,
    PredictiveValues,
    decision_curve,
    predictive_values,
)
from spark_cxr.metrics.operating_points import OperatingPoint, operating_point
from spark_cxr.metrics.paired import Difference, Paired, compare_paired, mcnemar
from spark_cxr.metrics.ranks import area_under_roc, precision_recall, roc, sensitivity_at
from spark_cxr.metrics.recalibration import Recalibration, recalibrate
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
from spark_cxr.metrics.subgroup_gaps import SubgroupGap, SubgroupGaps, subgroup_gaps

__all__ = [
    "Averages",
    "Band",
    "ConformalSets",
    "Curves",
    "DecisionCurve",
    "Difference",
    "FindingMetrics",
    "FindingPart",
    "Interval",
    "Intervals",
    "LabelCoverage",
    "LearningPoint",
    "Metrics",
    "OperatingPoint",
    "Overlap",
    "Paired",
    "PairedFindings",
    "Part",
    "PrecisionRecallCurve",
    "PredictiveValues",
    "Recalibration",
    "Reliability",
    "RocCurve",
    "SubgroupGap",
    "SubgroupGaps",
    "area_under_roc",
    "compare_findings",
    "compare_paired",
    "conformal_sets",
    "coverage_of",
    "decision_curve",
    "learning_curve",
    "mcnemar",
    "measure",
    "measure_finding_parts",
    "measure_findings",
    "measure_parts",
    "operating_point",
    "precision_recall",
    "predictive_values",
    "recalibrate",
    "reliability",
    "roc",
    "sensitivity_at",
    "subgroup_gaps",
]
