"""What a decision gives on a test, in words: for the console and the page."""

from collections.abc import Iterator

from spark_cxr.metrics.decision_results import DecisionFigures, PointFigures
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.operating_points import SENSITIVITY
from spark_cxr.metrics.recalibration import TEMPERATURE
from spark_cxr.metrics.wording import counted, decimal, percent, percent_range


def decision_lines(found: DecisionFigures | None) -> Iterator[str]:
    """Give lines for the console."""
    if found is None:
        return
    if found.before and found.after:
        ends = f"{percent(found.before.ece)} before, {percent(found.after.ece)} after"
        yield f"probabilities recalibrated ({kind_in_words(found)}): calibration error {ends}"
    for each in found.points:
        yield point_line(each)
    if found.coverage:
        worst = min(
            (each for each in found.covered if each.covered.value is not None),
            key=lambda each: each.covered.value or 0.0,
            default=None,
        )
        least = f", least {worst.label}, {percent(worst.covered.value)}" if worst else ""
        yield f"verdicts at {percent(found.coverage)} coverage: kept on the test{least}"


def kind_in_words(found: DecisionFigures) -> str:
    """Name the recalibration, and how hot it is."""
    if found.kind == TEMPERATURE and len(found.temperature) == 1:
        return f"temperature {decimal(found.temperature[0])}"
    return found.kind


def point_line(found: PointFigures) -> str:
    """Say of an operating point what it gives on the test."""
    point = found.point
    sides = (
        f"sensitivity {with_ends(found.sensitivity)}, specificity {with_ends(found.specificity)}"
    )
    return f"{point.label} from {percent(point.threshold)} on ({target_of_point(found)}): {sides}"


def target_of_point(found: PointFigures) -> str:
    """Say what a point was to reach."""
    point = found.point
    kept = "reach" if point.target == SENSITIVITY else "keep"
    return f"to {kept} a {point.target} of {percent(point.wanted)}"


def with_ends(found: Estimate) -> str:
    """Write a share with its interval."""
    ends = percent_range(found.interval)
    return f"{percent(found.value)} ({ends})" if ends else percent(found.value)


def origin_of_decision(found: DecisionFigures) -> str:
    """Say from which films it was learned."""
    films, patients = counted(found.films, "training film"), counted(found.patients, "group")
    return f"Learned from {films} of {patients}, none of which the head had learned from."
