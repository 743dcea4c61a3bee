"""The parts that pages of several findings have in common: figures, curves, pairs, parts."""

from spark_cxr.metrics import wording
from spark_cxr.metrics.finding_parts import FindingOfPart, FindingPart, FindingPartTable
from spark_cxr.metrics.finding_records import (
    CoOccurrence,
    Estimate,
    Figures,
    FindingFigures,
    FindingLearningPoint,
    FindingMetrics,
)
from spark_cxr.metrics.finding_results import OmittedFinding
from spark_cxr.metrics.finding_wording import (
    MEANINGS,
    by_auc,
    finding_learning_remark,
)
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.wording import (
    NOT_DEFINED,
    counted,
    decimal,
    decimal_range,
    percent,
    percent_range,
)
from spark_cxr.report.dots import MACRO_AUC
from spark_cxr.report.finding_plots import draw_aucs, draw_curves, draw_pairs, draw_precisions
from spark_cxr.report.html import Html, element, facts, figure, join, on_screen, section, table
from spark_cxr.report.sections import NOTHING, learning_section, with_small

PAIRED = 16
"""Up to how many findings, the most frequent ones, a drawing of pairs has room for."""
LISTED = 8
HOTTEST = 45.0
"""Percent of the accent colour in a cell of AUC 1; text stays readable on it."""
DRAWN = 24
"""Up to how many findings, the most frequent ones, have their curves drawn."""


def meanings() -> Html:
    """Say in plain words what each figure is."""
    return section("What the figures mean", facts(MEANINGS))


def findings_section(found: FindingMetrics, heading: str = "Finding by finding") -> Html:
    """Give the figures of each finding with intervals and counts, the best recognised first."""
    rows = by_auc(found.rows)
    drawn = (
        figure(
            Html(draw_aucs(rows)),
            "Dot: AUC. Line: its interval. The upright line at 0.5 is guessing. Beside it: test "
            "films with the finding, and their share of the films where it is known.",
        ),
        figure(
            Html(draw_precisions(rows)),
            "Dot: average precision. Line: its interval. Orange stroke: guessing, the share of "
            "films with the finding.",
        ),
    )
    headings = (
        "Finding, test films with it",
        "AUC",
        "Average precision",
        "Sensitivity",
        "Specificity",
        "PPV",
        "NPV",
        "Brier score",
        "Calibration error",
    )
    level = wording.percent_sign(f"{found.level:.0%}")
    caption = f"In the order of their AUC, with {level} intervals from resampling whole groups"
    if any(row.positives < LEAST for row in rows):
        caption += f"; last those with fewer than {LEAST} films that have them"
    body = [*map(_row, rows), _macro_row(found), _micro_row(found)]
    return section(
        heading,
        element("div", *drawn, class_="plots"),
        table(caption, headings, body, class_="wide dense"),
    )


def _row(row: FindingFigures) -> tuple[str, ...]:
    frequency = f"{row.positives:,} of {row.known:,}: {percent(row.prevalence)}"
    if row.unknowns:
        frequency += f"; {row.unknowns:,} unknown"
    chance = "" if row.ece_by_chance is None else f"chance: {percent(row.ece_by_chance)}"
    return (
        with_small(row.finding, frequency),
        *_shared(row.figures),
        with_small(percent(row.ece), chance),
    )


def _macro_row(found: FindingMetrics) -> tuple[str, ...]:
    """Average the findings; each figure says over how many where some lack it."""
    many = len(found.rows)
    names = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV"}
    over = {words: many - len(found.missing(name)) for name, words in names.items()}
    lacking = [f"{words} over {count}" for words, count in over.items() if count < many]
    return (
        with_small("Macro", ", ".join([f"mean of {counted(many, 'finding')}", *lacking])),
        *_shared(found.macro),
        NOT_DEFINED,
    )


def _micro_row(found: FindingMetrics) -> tuple[str, ...]:
    share = percent(found.positives / found.known if found.known else None)
    return (
        with_small("Micro", f"all known answers: {found.positives:,} of {found.known:,}, {share}"),
        *_shared(found.micro),
        percent(found.micro_ece),
    )


def _shared(figures: Figures) -> tuple[str, ...]:
    shares = (figures.sensitivity, figures.specificity, figures.ppv, figures.npv)
    return (
        _decimal(figures.auc),
        _decimal(figures.average_precision),
        *(with_small(percent(each.value), percent_range(each.interval)) for each in shares),
        _decimal(figures.brier),
    )


def _decimal(found: Estimate) -> str:
    return with_small(decimal(found.value), decimal_range(found.interval))


def finding_learning(curve: tuple[FindingLearningPoint, ...]) -> Html:
    """Draw the mean AUC over the size of the training set, if there are two sizes or more."""
    if len(curve) < 2:
        return NOTHING
    return learning_section(curve, "Mean AUC", MACRO_AUC, finding_learning_remark(curve))


def curves_section(
    found: FindingMetrics, unit: str | None, heading: str = "Curves, finding by finding"
) -> Html:
    """Draw the curves of each finding, small and alike."""
    lead = (
        "Left: sensitivity against false alarms (ROC). Middle: precision against recall. Orange "
        "dot: the operating point; thin lines: guessing; shaded: 95% of the resamples. Right: "
        "stated probability against the share of films with the finding; on the diagonal it can "
        "be read as a chance, and a larger dot stands for more films."
    )
    most = sorted(found.rows, key=lambda row: -row.positives)[:DRAWN]
    if len(most) < len(found.rows):
        lead += f" Drawn: the {len(most)} most frequent of {len(found.rows)} findings."
    drawn = (
        figure(Html(draw_curves(row, place)), _curve_caption(row, unit or "group"))
        for place, row in enumerate(by_auc(most))
        if row.known
    )
    lead = element("p", wording.percent_sign(lead))
    return section(heading, lead, element("div", *drawn, class_="plots triples"))


def _curve_caption(row: FindingFigures, unit: str) -> Html:
    said = (
        f": AUC {decimal(row.figures.auc.value)}, average precision "
        f"{decimal(row.figures.average_precision.value)}; yes from a probability of "
        f"{decimal(row.threshold)} on. {row.positives:,} of {counted(row.known, 'film')} "
        f"({counted(row.positive_groups, unit)}) have it."
    )
    return join([element("b", row.finding), said])


def pairs_section(found: FindingMetrics) -> Html:
    """Show which findings go together on the films, and in the answers."""
    shown = sorted(range(len(found.rows)), key=lambda place: -found.rows[place].positives)[:PAIRED]
    if len(shown) < 2 or not any(found.truth.counts[place][place] for place in shown):
        return NOTHING
    names = [found.findings[place] for place in shown]
    drawn = []
    kinds = (("truth", found.truth, "What the labels say"), ("answers", found.answers, "Answers"))
    for which, whole, words in kinds:
        pairs = _part(whole, shown)
        counts = [row[place] for place, row in enumerate(pairs.counts)]
        drawing = draw_pairs(names, counts, pairs, which)
        caption = f"{words}: of 100 films with the finding of the row, those with the column's too."
        drawn.append(figure(Html(drawing), caption))
    lead = (
        "A classifier that always answers two findings together has learned one of them at most. "
        "Beside each row: films with its finding. Answers are those at the operating points, over "
        "the same films."
    )
    if len(found.rows) > len(shown):
        lead += f" The {len(shown)} most frequent of {len(found.rows)} findings."
    both = element("div", *drawn, class_="plots")
    return section("Findings that go together", element("p", lead), both, _pair_table(found))


def _part(whole: CoOccurrence, places: list[int]) -> CoOccurrence:
    counts, given = (
        tuple(tuple(rows[row][column] for column in places) for row in places)
        for rows in (whole.counts, whole.given)
    )
    return CoOccurrence(counts, given)


def _pair_table(found: FindingMetrics) -> Html:
    """List the pairs that most films have, with how often the answers say so."""
    many = range(len(found.rows))
    pairs = [(found.truth.counts[a][b], a, b) for a in many for b in many if a < b]
    most = sorted((pair for pair in pairs if pair[0]), key=lambda pair: (-pair[0], *pair[1:]))
    if not most:
        return element("p", "No test film has two of the findings.")
    rows = (
        (
            f"{found.findings[a]} and {found.findings[b]}",
            *(
                f"{count:,}"
                for whole in (found.truth, found.answers)
                for count in (whole.counts[a][b], whole.counts[a][a], whole.counts[b][b])
            ),
        )
        for _, a, b in most[:LISTED]
    )
    headings = (
        *("Pair", "Films with both", "with the first", "with the second"),
        *("Answered both", "the first", "the second"),
    )
    return table("The most frequent pairs", headings, rows, class_="wide dense")


def heat_cell(auc: Estimate, sign: str = "", note: str = "") -> Html:
    """Tint an AUC by how far it is above guessing."""
    deep = max(0.0, 2 * (auc.value or 0.0) - 1) * HOTTEST
    figures = with_small(f"{sign}{decimal(auc.value)}", note or decimal_range(auc.interval))
    return element("span", figures, class_="heat", style=f"--heat: {deep:.0f}%")


def finding_parts(tables: tuple[FindingPartTable, ...]) -> Html:
    """Show how well each finding is recognised in each source, view and the like."""
    if not tables:
        return NOTHING
    lead = (
        "One figure for all films hides how they differ: by place, by machine, by view. Means are "
        "over the findings that have an AUC in the part, so they are comparable only where these "
        "are the same."
    )
    return on_screen(section("Part by part", element("p", lead), *map(_part_table, tables)))


def _part_table(each: FindingPartTable) -> Html:
    if not any(part.measured for part in each.parts):
        films = ", ".join(f"{part.name} {part.n:,}" for part in each.parts)
        few = f"By {each.by}: too few films of every finding to say anything ({films})."
        return element("p", few)
    headings = (
        "Finding",
        *(
            with_small(part.name, f"{part.n:,} films, {counted(part.groups, 'group')}")
            for part in each.parts
        ),
    )
    mean = ("Macro", *map(_mean_cell, each.parts))
    rows = [
        (of_parts[0].finding, *map(_part_cell, of_parts))
        for of_parts in zip(*(part.findings for part in each.parts), strict=True)
    ]
    caption = f"AUC by {each.by}, with the films that have the finding"
    whole = table(caption, headings, [*rows, mean], class_="wide dense")
    if not each.unknown:
        return whole
    unknown = counted(each.unknown, "test film")
    return join([whole, element("p", f"The {each.by} of {unknown} is not known.")])


def _mean_cell(part: FindingPart) -> Html:
    between = decimal_range(part.auc_macro.interval)
    over = counted(part.measured, "finding")
    return heat_cell(part.auc_macro, note=f"{between}; {over}" if between else over)


def _part_cell(found: FindingOfPart) -> Html:
    films = f"{found.positives:,} of {found.known:,}"
    if found.auc.value is None:
        return with_small("too few", films)
    between = decimal_range(found.auc.interval)
    return heat_cell(found.auc, note=f"{between}; {films}" if between else films)


def omitted_findings(omitted: tuple[OmittedFinding, ...]) -> Html:
    """Name the findings that have no head, with the reason."""
    if not omitted:
        return NOTHING
    rows = ((each.finding, each.reason) for each in omitted)
    lead = element("p", "These are in the labels but have no head: the model says nothing of them.")
    left = table("Findings without a head", ("Finding", "Reason"), rows, 2, "wide dense")
    return section("Left out", lead, left)
