"""The page of a training of several findings: the mean AUC first, then finding by finding."""

from spark_cxr.metrics import wording
from spark_cxr.metrics.finding_records import (
    FindingMetrics,
)
from spark_cxr.metrics.finding_results import FindingsReport
from spark_cxr.metrics.finding_wording import (
    finding_caveats,
    finding_remarks,
    macro_range,
    macro_verdict,
)
from spark_cxr.metrics.wording import (
    NOT_DEFINED,
    counted,
    decimal,
    decimal_range,
    percent,
)
from spark_cxr.report import contact, sections
from spark_cxr.report.decisions import decision_section
from spark_cxr.report.finding_sections import (
    curves_section,
    finding_learning,
    finding_parts,
    findings_section,
    meanings,
    omitted_findings,
    pairs_section,
)
from spark_cxr.report.html import Html, element, facts, join, on_screen, page, section, table
from spark_cxr.report.matrix_films import matrix_films
from spark_cxr.report.net_benefit import net_benefit_section
from spark_cxr.report.subgroups import missed_by_group
from spark_cxr.report.thresholds import threshold_section
from spark_cxr.report.training import data_facts, how_it_learned, split_section


def findings_page(report: FindingsReport) -> str:
    """Write the page of a training of findings: one HTML document, same bytes for same report."""
    found = report.metrics
    caveats = (*report.caveats, *finding_caveats(found))
    return page(
        f"{report.title}: {macro_verdict(found)} on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.beside(report.run.beside),
        sections.overlaps([report.overlap] if report.overlap else []),
        _verdict(report),
        sections.caveats(caveats, report.audit),
        _tiles(found),
        findings_section(found),
        finding_parts(report.parts),
        missed_by_group(report.missed),
        curves_section(found, report.split.unit),
        on_screen(
            threshold_section(found),
            matrix_films(report.matrix, found.findings),
            decision_section(report.decision),
            net_benefit_section(report.net_benefit),
            pairs_section(found),
            contact.training_panels(report.panels, report.heat, is_of_findings=True),
        ),
        omitted_findings(report.omitted),
        how_it_learned(report.learned, macro_verdict(found)),
        on_screen(finding_learning(report.learning), meanings(), _data(report)),
        split_section(report),
        on_screen(
            sections.audit(report.audit),
            section("Model", facts(report.model)),
            sections.how_it_ran(report.run),
        ),
        sections.interval_footer(found.resamples, found.groups, found.seed),
    )


def _verdict(report: FindingsReport) -> Html:
    found = report.metrics
    return join(
        [
            element(
                "p",
                f"{wording.setting(report)}, ",
                element("strong", macro_verdict(found)),
                f" ({macro_range(found)}).",
                class_="verdict",
            ),
            element("p", " ".join(finding_remarks(report)), class_="remarks"),
        ]
    )


def _tiles(found: FindingMetrics) -> Html:
    """Show the four figures that most people look for."""
    macro, missing = found.macro, found.missing("auc")
    over = f"over {len(found.rows) - len(missing)} of {counted(len(found.rows), 'finding')}"
    guess = percent(found.positives / found.known if found.known else None)
    rows = (
        ("Macro AUC", decimal(macro.auc.value), decimal_range(macro.auc.interval) or over),
        (
            "Macro average precision",
            decimal(macro.average_precision.value),
            decimal_range(macro.average_precision.interval) or over,
        ),
        ("Known answers", f"{found.known:,}", f"{found.positives:,} positive ({guess})"),
        (
            "Calibration error (ECE)",
            percent(found.micro_ece),
            f"all answers; Brier score {decimal(found.micro.brier.value)}",
        ),
    )
    boxes = (
        element("div", element("dt", name), element("dd", value, sections.small(note)))
        for name, value, note in rows
    )
    return element("dl", *boxes, class_="tiles")


def _data(report: FindingsReport) -> Html:
    trained = {each.finding: each for each in report.counts}
    unit = report.split.unit or "group"
    rows = []
    for row in report.metrics.rows:
        count = trained.get(row.finding)
        rows.append(
            (
                row.finding,
                f"{count.positives:,}" if count else NOT_DEFINED,
                f"{count.known:,}" if count else NOT_DEFINED,
                f"{row.positives:,}",
                f"{row.known:,}",
                f"{row.positive_groups:,}",
            )
        )
    headings = (
        *("Finding", "Training films with it", "where it is known"),
        *(
            "Test films with it",
            "where it is known",
            f"Test {unit}s with it",
        ),
    )
    counts = table("Films of each finding", headings, rows, class_="wide dense")
    return section(
        "Data", data_facts(report.data), counts, sections.quarantine(report.data.quarantined)
    )
