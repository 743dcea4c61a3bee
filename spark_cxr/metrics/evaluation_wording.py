"""An evaluation in words: what was measured, what nobody had an answer for, and the figures."""

from __future__ import annotations

from collections.abc import Iterator

from spark_cxr.metrics.evaluation_results import EvaluationCounts, EvaluationReport
from spark_cxr.metrics.finding_records import FindingMetrics
from spark_cxr.metrics.finding_wording import findings_table, macro_range, macro_verdict
from spark_cxr.metrics.records import Metrics
from spark_cxr.metrics.transfer import Transfer
from spark_cxr.metrics.wording import (
    NOT_DEFINED,
    counted,
    finding_range,
    overlap_warning,
    percent,
    printable,
)

UNSEEN = " that the model was not trained on"


def verdict(found: Metrics | FindingMetrics) -> str:
    """Say the figure itself."""
    if isinstance(found, FindingMetrics):
        return f"{macro_verdict(found)} ({macro_range(found)})"
    return f"the classifier was right on {percent(found.accuracy)} ({finding_range(found)})"


def evaluation_setting(report: EvaluationReport) -> str:
    """Say on what the verdict rests."""
    found, unit = report.metrics, "patient" if report.data.patients else "group"
    films = f"{counted(found.n, 'film')} ({report.data.name}) of {counted(found.groups, unit)}"
    return f"On {films}{'' if report.counts.exact is None else UNSEEN}"


def refusals(counts: EvaluationCounts) -> str:
    """Say for how many films nobody would have had an answer; empty where all have one."""
    if not counts.refused:
        return ""
    return (
        f"{counted(counts.refused, 'film')} ({percent(counts.refused_share)}) would have had no "
        "answer: the model takes them for no X-rays (not_an_xray)."
    )


def left_out(counts: EvaluationCounts) -> str:
    """Say which films were left out because the model knows them; empty where none was."""
    if not counts.trained_on:
        return ""
    why = f"{counts.exact:,} of them and on near-duplicates of {counts.near:,}"
    if not (counts.exact and counts.near):
        why = "them" if counts.exact else "near-duplicates of them"
    films = counted(counts.trained_on, "film")
    return f"{films} were left out: the model was trained on {why}."


def name_of(each: Transfer) -> str:
    """Put the question that a comparison with the training answers."""
    return f"Does it hold here? {figure_of(each)}"


def figure_of(each: Transfer) -> str:
    """Name a figure for people."""
    known = {"accuracy": "Accuracy", "auc_macro": "Mean AUC"}
    return known.get(each.figure) or f"AUC of {printable(each.figure.removeprefix('auc '))}"


def evaluation_lines(report: EvaluationReport) -> Iterator[str]:
    """Give the lines for the console."""
    found, counts = report.metrics, report.counts
    if report.overlap and report.overlap.learned:
        yield f"warning: {overlap_warning(report.overlap)}"
    if isinstance(found, FindingMetrics):
        yield from findings_table(found)
    else:
        yield from _classes(found)
    yield f"{evaluation_setting(report)}, {verdict(found)}."
    if report.answered:
        yield f"On the {report.answered.n:,} that have an answer, {verdict(report.answered)}."
    yield from filter(None, (refusals(counts), left_out(counts)))
    yield from (f"{name_of(each)}: {each.sentence}" for each in report.transfers[:1])


def _classes(found: Metrics) -> Iterator[str]:
    yield f"{'':<20}{'found':>8}{'precision':>11}{'auc':>8}{'films':>8}"
    for place, label in enumerate(found.labels):
        shown = (found.recall[place], found.precision[place], found.auc[place])
        words = [NOT_DEFINED if value is None else f"{value:.3f}" for value in shown]
        numbers = f"{words[0]:>8}{words[1]:>11}{words[2]:>8}{found.support[place]:>8,}"
        yield f"{printable(label):<20}{numbers}"
