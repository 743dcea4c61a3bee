"""The page of a training of several findings: the mean AUC first, then finding by finding."""

from spark_cxr.metrics import wording
from spark_cxr.metrics.finding_records import (
    CoOccurrence,
    Estimate,
    Figures,
    FindingFigures,
    FindingMetrics,
)
from spark_cxr.metrics.finding_results import FindingMistake, FindingsReport, OmittedFinding
from spark_cxr.metrics.finding_wording import (
    by_auc,
    finding_caveats,
    finding_remarks,
    macro_range,
    macro_verdict,
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
from spark_cxr.report import sections
from spark_cxr.report.finding_plots import draw_aucs, draw_curves, draw_pairs, draw_precisions
from spark_cxr.report.html import Html, element, facts, figure, join, page, picture, section, table
from spark_cxr.report.sections import NOTHING, with_small
from spark_cxr.report.training import data_facts, split_section

PAIRED = 16
"""Up to how many findings, the most frequent ones, a drawing of pairs has room for."""
LISTED = 8
MEANINGS = (
    (
        "Known films",
        "Those whose labels say of this finding whether it is there. Where they say nothing, the "
        "film counts neither for nor against the finding.",
    ),
    (
        "AUC",
        "Of a film with the finding and a film without it, how often the one with it gets the "
        "higher probability: 0.5 is guessing, 1 is without error. It does not depend on how "
        "frequent the finding is, nor on the operating point.",
    ),
    (
        "Average precision",
        "The area under precision against recall. Guessing reaches the share of films with the "
        "finding, so hold it against that share: 0.2 is much for a finding of one film in 100.",
    ),
    (
        "Operating point",
        "The probability from which on the answer is yes. Sensitivity, specificity, PPV and NPV "
        "are those of that one point; another gives others.",
    ),
    (
        "Sensitivity, specificity",
        "The share of films with the finding that were found, and of those without it that were "
        "left alone.",
    ),
    (
        "PPV, NPV",
        "The share of the answers yes, and no, that were right. Both change with how frequent the "
        "finding is: among other patients they are others.",
    ),
    (
        "Brier score",
        "The mean squared distance of the probability from the truth, 0 at best. Always stating "
        "the share p of films with the finding gives p × (1 − p).",
    ),
    (
        "Calibration error (ECE)",
        "How far the stated probability is from the share of films with the finding, on average "
        "over ten bins. Below it: what honest probabilities would stay below by chance.",
    ),
    (
        "Macro",
        "The plain mean over the findings that have the figure: a rare finding counts as much as "
        "a frequent one.",
    ),
    (
        "Micro",
        "All known answers of all findings in one pool. Its AUC also rewards knowing which "
        "findings are frequent, so it is higher than the mean and no measure of recognition.",
    ),
)


def findings_page(report: FindingsReport) -> str:
    """Write the page of a training of findings: one HTML document, same bytes for same report."""
    found = report.metrics
    caveats = (*report.caveats, *finding_caveats(found))
    return page(
        f"{report.title}: {macro_verdict(found)} on {report.data.name}",
        sections.notice(),
        element("p", f"spark_cxr · {report.job} · {report.data.name}", class_="eyebrow"),
        element("h1", report.title),
        sections.overlaps([report.overlap] if report.overlap else []),
        _verdict(report),
        sections.caveats(caveats, report.audit),
        findings_tiles(found),
        findings_section(found),
        curves_section(found, report.split.unit),
        pairs_section(found),
        omitted_findings(report.omitted),
        _mistakes(report.mistakes),
        meanings(),
        _data(report),
        split_section(report),
        sections.audit(report.audit),
        section("Model", facts(report.model)),
        sections.how_it_ran(report.run),
        sections.interval_footer(found.resamples, found.groups, found.seed),
    )


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


def findings_tiles(found: FindingMetrics) -> Html:
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
    drawn = (
        figure(Html(draw_curves(row, place)), _curve_caption(row, unit or "group"))
        for place, row in enumerate(by_auc(found.rows))
        if row.known
    )
    lead = element("p", wording.percent_sign(lead))
    return section(heading, lead, element("div", *drawn, class_="plots"))


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


def omitted_findings(omitted: tuple[OmittedFinding, ...]) -> Html:
    """Name the findings that have no head, with the reason."""
    if not omitted:
        return NOTHING
    rows = ((each.finding, each.reason) for each in omitted)
    lead = element("p", "These are in the labels but have no head: the model says nothing of them.")
    left = table("Findings without a head", ("Finding", "Reason"), rows, 2, "wide dense")
    return section("Left out", lead, left)


def _mistakes(films: tuple[FindingMistake, ...]) -> Html:
    """Show wrong answers, the surest first."""
    if not films:
        return NOTHING
    lead = element("p", "Wrong answers on test films, the surest first.")
    return section("The hardest mistakes", lead, element("div", *map(_film, films), class_="films"))


def _film(mistake: FindingMistake) -> Html:
    kind = "missed" if mistake.present else "false alarm"
    alt = f"Test film, {mistake.finding}, {kind}"
    image = picture(mistake.image, alt) if mistake.image else NOTHING
    said = f" {kind}, probability {percent(mistake.probability)}"
    caption = join([element("b", mistake.finding), said, element("code", mistake.path)])
    return figure(image, caption, class_="film")


def _data(report: FindingsReport) -> Html:
    learned = {each.finding: each for each in report.learned}
    unit = report.split.unit or "group"
    rows = []
    for row in report.metrics.rows:
        count = learned.get(row.finding)
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
