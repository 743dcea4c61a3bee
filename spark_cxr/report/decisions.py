"""The section on how probabilities become answers: recalibration, operating points, verdicts."""

from collections.abc import Iterator

from spark_cxr.metrics.conformal import LabelCoverage
from spark_cxr.metrics.decision_results import DecisionFigures, PointFigures, Trust
from spark_cxr.metrics.decision_wording import kind_in_words, origin_of_decision, target_of_point
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.wording import counted, decimal, percent, percent_range
from spark_cxr.report.html import Html, element, figure, join, section, table
from spark_cxr.report.plots import draw_trust
from spark_cxr.report.sections import NOTHING, with_small

POINTS = (
    *("Label", "Yes from", "Wanted", "On held-out training films"),
    *("Sensitivity on the test", "Specificity on the test", "PPV", "NPV"),
)
COVERED = (
    *("Label", "Films with it", "Not ruled out", "Ruled in"),
    *("Films without it", "Not ruled in", "Ruled out"),
)


def decision_section(found: DecisionFigures | None) -> Html:
    """Show what a decision gives on the test; nothing where the model has none."""
    if found is None:
        return NOTHING
    lead = element("p", origin_of_decision(found), " The test shows what came of it.")
    parts = (_recalibration(found), _points(found.points), _verdicts(found))
    return section("How probabilities become answers", lead, *parts)


def _recalibration(found: DecisionFigures) -> Html:
    if not (found.before and found.after):
        if found.kind:
            how = kind_in_words(found)
            return element("p", f"Probabilities are recalibrated as in the training ({how}).")
        return element("p", "Probabilities are those of the head: no recalibration.")
    rows = (_trust_row("Stated by the head", found.before), _trust_row("Recalibrated", found.after))
    headings = ("Probabilities", "Calibration error (ECE)", "by chance, up to", "Log loss", "Brier")
    drawn = (
        figure(Html(draw_trust(found.before.reliability, "trust-before", "Before")), "Before."),
        figure(Html(draw_trust(found.after.reliability, "trust-after", "After")), "After."),
    )
    return join(
        [
            element("h3", f"Recalibration: {kind_in_words(found)}"),
            table("Probabilities against what the test films are", headings, rows),
            element("div", *drawn, class_="plots"),
        ]
    )


def _trust_row(name: str, trust: Trust) -> tuple[str, ...]:
    share = percent(trust.ece), percent(trust.honest_ece)
    return (name, *share, decimal(trust.log_loss), decimal(trust.brier))


def _points(points: tuple[PointFigures, ...]) -> Html:
    if not points:
        return NOTHING
    worth = points[0].worth
    where = f"; PPV and NPV at a prevalence of {percent(worth.prevalence)}" if worth else ""
    if len({each.worth.prevalence for each in points if each.worth}) > 1:
        where = "; PPV and NPV at the prevalence of the test"
    caption = f"From which probability on a film is taken to have it{where}"
    return join(
        [element("h3", "Operating points"), table(caption, POINTS, map(_point_row, points))]
    )


def _point_row(each: PointFigures) -> tuple[str, ...]:
    point, worth = each.point, each.worth
    values = (worth.ppv, worth.npv) if worth else (Estimate(None), Estimate(None))
    return (
        point.label,
        percent(point.threshold),
        target_of_point(each).removeprefix("to "),
        *map(_with_ends, (point.reached, each.sensitivity, each.specificity, *values)),
    )


def _verdicts(found: DecisionFigures) -> Html:
    if not found.coverage:
        return NOTHING
    wanted = percent(found.coverage)
    lead = (
        "A label that few of its own films would be as unlikely for is ruled out; one that alone "
        f"is left is ruled in; all else is unsure. Of the films with a label, {wanted} shall not "
        "have it ruled out, if they are of the same kind as those of the training."
    )
    return join(
        [
            element("h3", f"Verdicts at {wanted} coverage"),
            element("p", lead),
            table(
                "Verdicts on the test, label by label", COVERED, map(_covered_row, found.covered)
            ),
            *(element("p", sentence) for sentence in _remarks(found)),
        ]
    )


def _covered_row(each: LabelCoverage) -> tuple[str, ...]:
    has, lacks = (each.covered, each.ruled_in), (each.others_covered, each.others_ruled_out)
    return (
        *(each.label, f"{each.films:,}", *map(_with_ends, has)),
        *(f"{each.others:,}", *map(_with_ends, lacks)),
    )


def _remarks(found: DecisionFigures) -> Iterator[str]:
    if found.left:
        sizes = ", ".join(
            f"{counted(films, 'film')} with {size} left" for size, films in found.left.items()
        )
        yield f"Classes that are not ruled out on a film of the test: {sizes}."
    if found.too_few:
        yield f"Too few patients for a limit of {', '.join(found.too_few)}: never ruled out, or in."


def _with_ends(found: Estimate) -> str:
    return with_small(percent(found.value), percent_range(found.interval))
