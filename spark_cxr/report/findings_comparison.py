"""The page of a comparison of findings: the ranking by mean AUC, then each finding with each."""

from spark_cxr.metrics import Difference, wording
from spark_cxr.metrics.finding_records import Estimate
from spark_cxr.metrics.finding_results import FindingsComparison, FindingsRow
from spark_cxr.metrics.finding_wording import (
    GUESS,
    by_auc,
    finding_caveats,
    macro_range,
    macro_verdict,
    named,
)
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.wording import NOT_DEFINED, counted, decimal, decimal_range, percent
from spark_cxr.report import dots, sections
from spark_cxr.report.comparison_wording import dealt
from spark_cxr.report.finding_sections import (
    curves_section,
    finding_parts,
    findings_section,
    heat_cell,
    meanings,
    omitted_findings,
    pairs_section,
)
from spark_cxr.report.html import (
    Html,
    element,
    facts,
    figure,
    join,
    on_screen,
    page,
    section,
    table,
)
from spark_cxr.report.sections import NOTHING, with_small
from spark_cxr.report.subgroups import missed_by_group
from spark_cxr.report.training import data_facts


def findings_comparison_page(report: FindingsComparison) -> str:
    """Write the page of a comparison of findings, the same bytes for the same report."""
    best = report.best.metrics
    caveats = (*report.caveats, *_pooled(report), *finding_caveats(best))
    of_best = f": {report.best.name}"
    return page(
        f"{report.title}: {report.best.name} first on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        _verdict(report),
        sections.caveats(caveats, report.audit),
        findings_ranking(report.rows),
        findings_heat(report.rows),
        findings_section(best, f"Finding by finding{of_best}"),
        curves_section(best, report.split.unit, f"Curves{of_best}"),
        on_screen(pairs_section(best)),
        finding_parts(report.parts),
        missed_by_group(report.missed),
        omitted_findings(report.omitted),
        on_screen(
            meanings(),
            _data(report),
            sections.audit(report.audit),
            section("What ran", facts(report.setup)) if report.setup else NOTHING,
            sections.how_it_ran(report.run),
        ),
        sections.interval_footer(best.resamples, best.groups, best.seed),
    )


def findings_ranking(rows: tuple[FindingsRow, ...]) -> Html:
    """Rank classifiers by the mean of their AUCs, the difference to the best beside it."""
    found = rows[0].metrics
    headings = (
        "Rank, head, backbone",
        "Macro AUC",
        "Behind the best",
        "Macro average precision",
        "Macro sensitivity",
        "Macro specificity",
        "Micro AUC",
        "Brier score, all answers",
        "Fit,\u00a0s",
        "Films/s",
    )
    body = (_row(place, row) for place, row in enumerate(rows, start=1))
    missing = found.missing("auc")
    over = f"{len(found.rows) - len(missing)} of {counted(len(found.rows), 'finding')}"
    caption = (
        f"Means over {over}, {found.known:,} known answers on {counted(found.n, 'film')} of "
        f"{counted(found.groups, 'group')}, with 95% intervals from resampling whole groups"
    )
    ranking = table(wording.percent_sign(caption), headings, body, class_="wide dense")
    lanes = [
        dots.Lane(row.name, (dots.Dot(auc.value, auc.interval, row.folds),))
        for row in rows
        if (auc := row.metrics.macro.auc).value is not None
    ]
    if not lanes:
        return section("Ranking", ranking)
    strokes = " Small strokes: the folds one by one." if any(row.folds for row in rows) else ""
    drawn = dots.draw_lanes(lanes, ("mean AUC",), dots.MACRO_AUC)
    key = f"Dot: mean AUC on all films together. Line: its interval.{strokes}"
    return section("Ranking", figure(Html(drawn), key), ranking)


def findings_heat(rows: tuple[FindingsRow, ...]) -> Html:
    """Set the AUC of each finding with each classifier side by side, the deeper the better."""
    best = rows[0].metrics
    place_of = {name: place for place, name in enumerate(best.findings)}
    headings = (
        "Finding, films with it",
        *(with_small(f"{place}. {row.head}", row.backbone) for place, row in enumerate(rows, 1)),
    )
    body = [
        (
            with_small(each.finding, f"{each.positives:,} of {each.known:,}"),
            *(_cell(row, place_of[each.finding]) for row in rows),
        )
        for each in by_auc(best.rows)
    ]
    lead = (
        "▼: behind the first of the ranking, ▲: ahead of it, by more than resampling patients "
        "explains. Where nothing differs, about one cell in twenty gets a mark all the same; "
        f"findings of fewer than {LEAST} films get none."
    )
    caption = "AUC with its interval; the stronger the blue, the higher"
    return section(
        "Each finding with each classifier",
        element("p", lead) if len(rows) > 1 else NOTHING,
        table(caption, headings, body, class_="wide dense"),
    )


def _verdict(report: FindingsComparison) -> Html:
    found = report.best.metrics
    groups = "" if report.split.unit is None else f" of {counted(found.groups, report.split.unit)}"
    said = [
        f"On {counted(found.n, 'film')} ({report.data.name}){groups}, {dealt(report.split)}, ",
        element("strong", f"{report.best.name} comes first" if len(report.rows) > 1 else ""),
        f"{': ' if len(report.rows) > 1 else ''}{macro_verdict(found)} ({macro_range(found)}). ",
        element("strong", _lead(report.rows)),
    ]
    return element("p", *said, class_="verdict")


def _pooled(report: FindingsComparison) -> tuple[str, ...]:
    """Explain AUCs below guessing where the folds' answers are measured together."""
    aucs = {row.finding: row.figures.auc.value for row in report.best.metrics.rows}
    below = [name for name, value in aucs.items() if value is not None and value < GUESS]
    if report.split.folds < 2 or not below:
        return ()
    return (
        f"Below guessing: {named(below)}. Each fold has a classifier of its own. One that learns "
        "little states lower probabilities where the fold has more films with the finding, as its "
        "training then had fewer. Measured together, that falls below 0.5: read it as guessing.",
    )


def _lead(rows: tuple[FindingsRow, ...]) -> str:
    """Say whether the best is ahead of the second by more than chance."""
    ahead = rows[1].behind.auc_macro if len(rows) > 1 and rows[1].behind else None
    if ahead is None:
        return ""
    said = f"It is ahead of {rows[1].name} by {_signed(ahead.value)}"
    if ahead.interval is None:
        return f"{said}; there is no interval of the difference."
    ends = f"{_signed(ahead.interval.low)} to {_signed(ahead.interval.high)}"
    if ahead.interval.low <= 0 <= ahead.interval.high:
        return (
            f"{said}, but the interval of the difference, {ends}, includes zero: no difference is "
            "shown."
        )
    return f"{said} (interval of the difference {ends}): more than chance."


def _row(place: int, row: FindingsRow) -> tuple[str, ...]:
    macro, micro = row.metrics.macro, row.metrics.micro
    behind = row.behind.auc_macro if row.behind else None
    speed = row.images_per_second
    return (
        with_small(f"{place}. {row.head}", row.backbone),
        _decimal(macro.auc),
        _difference(behind) if behind else "",
        _decimal(macro.average_precision),
        percent(macro.sensitivity.value),
        percent(macro.specificity.value),
        _decimal(micro.auc),
        _decimal(micro.brier),
        f"{row.fit_seconds:,.1f}",
        NOT_DEFINED if speed is None else f"{speed:,.1f}",
    )


def _cell(row: FindingsRow, place: int) -> Html:
    """Give an AUC, marked where it differs from the best; too few films show no difference."""
    found = row.metrics.rows[place]
    behind = row.behind.auc[place] if row.behind and found.positives >= LEAST else None
    return heat_cell(found.figures.auc, _sign(behind))


def _sign(behind: Difference | None) -> str:
    if behind is None or behind.interval is None:
        return ""
    if behind.interval.low > 0:
        return "▼ "
    return "▲ " if behind.interval.high < 0 else ""


def _decimal(found: Estimate) -> str:
    return with_small(decimal(found.value), decimal_range(found.interval))


def _difference(found: Difference) -> str:
    between = found.interval
    ends = "" if between is None else f"{_signed(between.low)} to {_signed(between.high)}"
    return with_small(_signed(found.value), ends)


def _signed(value: float) -> str:
    """Write a difference with three decimals and a true minus."""
    written = f"{value:.3f}".replace("-", "−")
    return "0.000" if written == "−0.000" else written


def _data(report: FindingsComparison) -> Html:
    found, split = report.best.metrics, report.split
    rows = (
        (
            row.finding,
            f"{row.positives:,}",
            f"{row.known:,}",
            f"{row.unknowns:,}",
            f"{row.positive_groups:,}",
        )
        for row in found.rows
    )
    unit = split.unit or "group"
    headings = ("Finding", "Films with it", "where it is known", "unknown", f"{unit}s with it")
    shared = "not known" if split.shared is None else f"{split.shared:,} of {found.n:,}"
    dealing = (
        ("Folds", f"{split.folds}" if split.folds > 1 else "one test set"),
        (f"Films tested with their {unit} or a twin in training", shared),
        *((("Patients", split.patients),) if split.patients else ()),
        *split.notes,
    )
    return join(
        [
            section(
                "Data",
                data_facts(report.data),
                table("Films tested of each finding", headings, rows, class_="wide dense"),
                sections.quarantine(report.data.quarantined),
            ),
            section("Split", element("h3", f"By {split.method}"), facts(dealing)),
        ]
    )
