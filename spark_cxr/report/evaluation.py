"""The page of an evaluation: does a model hold on films of another place?"""

from __future__ import annotations

from spark_cxr.metrics.evaluation_results import EvaluationReport
from spark_cxr.metrics.evaluation_wording import (
    evaluation_setting,
    figure_of,
    left_out,
    name_of,
    refusals,
    verdict,
)
from spark_cxr.metrics.finding_records import Estimate, FindingMetrics
from spark_cxr.metrics.finding_wording import finding_caveats
from spark_cxr.metrics.records import Metrics
from spark_cxr.metrics.transfer import MARGIN, POINTS, Transfer
from spark_cxr.metrics.wording import (
    against_majority,
    decimal,
    decimal_range,
    overlap_in_words,
    percent,
    percent_range,
    printable,
    weakest,
)
from spark_cxr.report import sections
from spark_cxr.report.decisions import decision_section
from spark_cxr.report.finding_sections import (
    curves_section,
    finding_parts,
    findings_section,
    meanings,
    pairs_section,
)
from spark_cxr.report.html import Html, element, facts, join, on_screen, page, section, table
from spark_cxr.report.matrix_films import matrix_films
from spark_cxr.report.net_benefit import net_benefit_section
from spark_cxr.report.sections import with_small
from spark_cxr.report.subgroups import missed_by_group
from spark_cxr.report.thresholds import threshold_section
from spark_cxr.report.training import data_facts


def evaluation_page(report: EvaluationReport) -> str:
    """Write the page of an evaluation: one HTML document, the same bytes for the same report."""
    found = report.metrics
    more = finding_caveats(found) if isinstance(found, FindingMetrics) else ()
    return page(
        f"{report.title}: {verdict(found)}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.overlaps([report.overlap] if report.overlap else []),
        _verdict(report),
        sections.caveats((*report.caveats, *more)),
        _transfers(report),
        *_figures(report),
        threshold_section(found),
        on_screen(matrix_films(report.matrix, _labels(found))),
        _answered(report),
        on_screen(decision_section(report.decision), net_benefit_section(report.net_benefit)),
        sections.parts(report.parts),
        finding_parts(report.finding_parts),
        missed_by_group(report.missed),
        sections.mistakes(report.mistakes),
        _films(report),
        on_screen(
            section("Data", data_facts(report.data), sections.quarantine(report.data.quarantined)),
            section("Model", facts(report.model)),
            sections.how_it_ran(report.run),
        ),
        sections.interval_footer(*resampling(found)),
    )


def _verdict(report: EvaluationReport) -> Html:
    found = report.metrics
    held = [f"{name_of(each)}: {each.sentence}." for each in report.transfers[:1]]
    said = (*held, refusals(report.counts), left_out(report.counts), *_remarks(report))
    setting = element("strong", verdict(found))
    return join(
        [
            element("p", f"{evaluation_setting(report)}, ", setting, ".", class_="verdict"),
            element("p", " ".join(filter(None, said)), class_="remarks"),
        ]
    )


def _transfers(report: EvaluationReport) -> Html:
    """Hold each figure against that of the model's own test."""
    rows = [
        (
            figure_of(each),
            with_small(_number(each, each.there), _range(each, each.there)),
            with_small(_number(each, each.here), _range(each, each.here)),
            f"{each.films_there:,}",
            f"{each.films_here:,}",
            each.sentence,
        )
        for each in report.transfers
    ]
    heads = ("Figure", "At its own test", "Here", "Films there", "Films here", "Does it hold?")
    lead = (
        "The model is as it was: nothing was learned here. It holds where the interval of the "
        f"difference leaves no loss of more than {MARGIN * 100:.0f} points."
    )
    whole = table("Here against the model's own test", heads, rows)
    return section("Does it hold here?", element("p", lead), whole)


def _number(each: Transfer, found: Estimate) -> str:
    return percent(found.value) if each.figure in POINTS else decimal(found.value)


def _range(each: Transfer, found: Estimate) -> str:
    write = percent_range if each.figure in POINTS else decimal_range
    return write(found.interval)


def _remarks(report: EvaluationReport) -> tuple[str, ...]:
    found = report.metrics
    if isinstance(found, FindingMetrics):
        return ()
    return (against_majority(found), weakest(found))


def _figures(report: EvaluationReport) -> tuple[Html, ...]:
    found = report.metrics
    if isinstance(found, FindingMetrics):
        parts = (findings_section(found), curves_section(found, "patient"))
        return (*parts, on_screen(pairs_section(found), meanings()))
    return (sections.tiles(found), sections.classes(found), sections.pictures(found, report.matrix))


def _labels(found: Metrics | FindingMetrics) -> tuple[str, ...]:
    return found.findings if isinstance(found, FindingMetrics) else found.labels


def _answered(report: EvaluationReport) -> Html:
    """Show the figures of the films that somebody would have had an answer for."""
    found = report.answered
    if found is None:
        return sections.NOTHING
    lead = element("p", f"{refusals(report.counts)} On the others {verdict(found)}.")
    if isinstance(found, FindingMetrics):
        return section("As answered", lead)
    return join([section("As answered", lead), sections.classes(found, "As answered, by class")])


def _films(report: EvaluationReport) -> Html:
    """Account for all labelled films."""
    counts = report.counts
    known = "not looked for" if counts.exact is None else f"{counts.exact:,}"
    near = "not looked for" if counts.near is None else f"{counts.near:,}"
    strangers = [(f"Left out: {label}", f"{n:,}") for label, n in counts.strangers.items()]
    network = report.overlap
    overlap = [("Network below the head", overlap_in_words(network))] if network else []
    rows = (
        ("Measured", f"{counts.measured:,}"),
        ("Of these, without an answer", f"{counts.refused:,}"),
        ("Left out: the model was trained on them", known),
        ("Left out: near-duplicates of such", near),
        *strangers,
        ("No images to work with", f"{counts.unreadable:,}"),
        *((f"Remarked on: {flag}", f"{n:,}") for flag, n in counts.flags.items()),
        *overlap,
    )
    renamed = [(printable(label), name) for label, name in report.renamed.items()]
    names = table("Labels that go by another name", ("Label", "Class"), renamed)
    return section("Which films were measured", facts(rows), names if renamed else sections.NOTHING)


def resampling(found: Metrics | FindingMetrics) -> tuple[int, int, int]:
    """Say of figures how many resamples of how many groups stand behind them, and their seed."""
    if isinstance(found, FindingMetrics):
        return found.resamples, found.groups, found.seed
    return found.intervals.resamples, found.groups, found.intervals.seed
