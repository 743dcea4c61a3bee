"""Figures of several findings in words: the verdict, what qualifies it, the console's table."""

from collections.abc import Sequence

from spark_cxr.metrics.finding_records import (
    Estimate,
    FindingFigures,
    FindingLearningPoint,
    FindingMetrics,
)
from spark_cxr.metrics.finding_results import FindingsReport, FindingsRow
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.wording import (
    NOT_DEFINED,
    counted,
    decimal,
    decimal_range,
    last_step,
    leak,
    percent,
    percent_sign,
    printable,
)

GUESS = 0.5
"""The AUC of guessing."""
SHOWN = 6
"""Up to how many findings a sentence names."""
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
"""Each figure in plain words, for a reader of the page."""


def by_auc(rows: Sequence[FindingFigures]) -> list[FindingFigures]:
    """Order findings by their AUC, the best first; those of too few films come last."""

    def place(row: FindingFigures) -> tuple[bool, bool, float, str]:
        auc = row.figures.auc.value
        return auc is None, row.positives < LEAST, -(auc or 0.0), row.finding

    return sorted(rows, key=place)


def macro_verdict(found: FindingMetrics) -> str:
    """Say the figure of the page: the mean AUC, over how many findings."""
    many, missing = len(found.rows), len(found.missing("auc"))
    over = f"{many - missing} of {many} findings" if missing else counted(many, "finding")
    if found.macro.auc.value is None:
        return f"no AUC could be measured for any of {counted(many, 'finding')}"
    if many == 1:
        return f"the AUC of {printable(found.findings[0])} was {decimal(found.macro.auc.value)}"
    return f"the mean AUC over {over} was {decimal(found.macro.auc.value)}"


def macro_range(found: FindingMetrics) -> str:
    """Give the interval of that figure."""
    between = found.macro.auc.interval
    if between is None:
        return "too few groups for an interval"
    return f"{percent_sign(f'{found.level:.0%}')} interval {decimal_range(between)}"


def finding_remarks(report: FindingsReport) -> tuple[str, ...]:
    """Give what qualifies the figure: leak, what it means, the best and the weakest finding."""
    found = report.metrics
    sentences = (leak(report.split), _meaning(found), _extremes(found), _guesses(found))
    return tuple(sentence for sentence in sentences if sentence)


def finding_learning_remark(curve: Sequence[FindingLearningPoint]) -> str:
    """Say what the last step of a learning curve gained, in the mean AUC."""
    before, last = decimal(curve[-2].auc_macro), decimal(curve[-1].auc_macro)
    return last_step(curve, f"the mean AUC went from {before} to {last}")


def finding_caveats(found: FindingMetrics) -> tuple[str, ...]:
    """Say what a reader must know of the figures before relying on them."""
    sentences = (_few(found), _without(found), _unknown(found), _off(found))
    return tuple(sentence for sentence in sentences if sentence)


def findings_table(found: FindingMetrics) -> list[str]:
    """Give the small table for the console, the findings as `by_auc` orders them."""
    width = max(16, *(len(printable(name)) + 2 for name in found.findings))
    heads = ("with", "known", "auc", "95 % interval", "ap", "sens", "spec", "ece")
    lines = [_console_line("", heads, width)]
    for row in by_auc(found.rows):
        figures = row.figures
        values = (
            f"{row.positives:,}",
            f"{row.known:,}",
            decimal(figures.auc.value),
            decimal_range(figures.auc.interval).replace(" to ", "-") or NOT_DEFINED,
            *(
                decimal(each.value)
                for each in (figures.average_precision, figures.sensitivity, figures.specificity)
            ),
            decimal(row.ece),
        )
        lines.append(_console_line(printable(row.finding), values, width))
    for name, mean in (("macro", found.macro), ("micro", found.micro)):
        many = found.missing("auc")
        of = f" over {len(found.rows) - len(many)} of {counted(len(found.rows), 'finding')}"
        pool = f" over {counted(found.known, 'known answer')}"
        lines.append(
            f"{name} AUC {_estimate(mean.auc)}, average precision "
            f"{_estimate(mean.average_precision)}{of if name == 'macro' else pool}"
        )
    return lines


def findings_ranking_table(rows: Sequence[FindingsRow]) -> list[str]:
    """Give the ranking for the console, one line a classifier."""
    width = max(16, *(len(f"{row.name}") + 5 for row in rows))
    heads = f"{'macro auc':>10}{'95 % interval':>15}{'ap':>7}{'micro auc':>11}{'fit s':>9}"
    lines = [f"{'':<{width}}{heads}"]
    for place, row in enumerate(rows, start=1):
        macro, micro = row.metrics.macro, row.metrics.micro
        between = decimal_range(macro.auc.interval).replace(" to ", "-") or NOT_DEFINED
        figures = f"{decimal(macro.auc.value):>10}{between:>15}"
        figures += f"{decimal(macro.average_precision.value):>7}{decimal(micro.auc.value):>11}"
        lines.append(f"{f'{place}. {row.name}':<{width}}{figures}{row.fit_seconds:>9.1f}")
    return lines


def named(findings: Sequence[str]) -> str:
    """List findings in a sentence, the first few by name."""
    shown = [printable(each) for each in findings[:SHOWN]]
    if len(findings) > SHOWN:
        return f"{', '.join(shown)} and {len(findings) - SHOWN} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _console_line(name: str, values: Sequence[str], width: int) -> str:
    sizes = (8, 9, 7, 14, 7, 7, 7, 7)
    shown = (f"{value:>{size}}" for value, size in zip(values, sizes, strict=True))
    return f"{name:<{width}}{''.join(shown)}"


def _estimate(found: Estimate) -> str:
    between = decimal_range(found.interval)
    return f"{decimal(found.value)}{f' ({between})' if between else ''}"


def _meaning(found: FindingMetrics) -> str:
    value = found.macro.auc.value
    if value is None:
        return ""
    return (
        "Of a film with a finding and one without it, the one with it got the higher probability "
        f"{100 * value:.0f} times in 100; guessing gets 50."
    )


def _extremes(found: FindingMetrics) -> str:
    rows = [
        row
        for row in by_auc(found.rows)
        if row.figures.auc.value is not None and row.positives >= LEAST
    ]
    if len(rows) < 2:
        return ""
    said = [
        f"{printable(row.finding)}: {_estimate(row.figures.auc)}, "
        f"{counted(row.positives, 'film')} with it"
        for row in (rows[0], rows[-1])
    ]
    return f"Recognised best is {said[0]}. Recognised least is {said[1]}."


def _guesses(found: FindingMetrics) -> str:
    """Name the findings of which nothing shows that they are recognised at all."""
    names = [
        row.finding
        for row in found.rows
        if row.figures.auc.value is not None
        and (row.figures.auc.interval is None or row.figures.auc.interval.low <= GUESS)
        and row.figures.auc.value < 1
    ]
    if not names:
        return ""
    return f"Nothing here shows that it does better than guessing on {named(names)}."


def _few(found: FindingMetrics) -> str:
    few = [row for row in found.rows if 0 < row.positives < LEAST]
    if not few:
        return ""
    counts = [f"{printable(row.finding)} ({row.positives})" for row in few[:SHOWN]]
    more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
    return (
        f"Fewer than {LEAST} test films with the finding: {', '.join(counts)}{more}. They stand "
        "last because their figures say little, and they count in the mean like any other."
    )


def _without(found: FindingMetrics) -> str:
    names = found.missing("auc")
    if not names:
        return ""
    return (
        f"No AUC for {named(names)}: the test films where it is known all have it, or all lack it. "
        "The mean is over the others."
    )


def _unknown(found: FindingMetrics) -> str:
    unknown = sum(row.unknowns for row in found.rows)
    if not unknown:
        return ""
    share = unknown / (found.n * len(found.rows))
    most = max(found.rows, key=lambda row: row.unknowns)
    return (
        f"{percent(share)} of the answers are unknown, most often {printable(most.finding)} "
        f"({most.unknowns:,} of {found.n:,} films). Each figure is over the films where its "
        "finding is known, and these may differ from the others."
    )


def _off(found: FindingMetrics) -> str:
    """Name the findings whose probabilities miss by more than chance explains."""
    names = [
        row.finding
        for row in found.rows
        if row.ece is not None and row.ece_by_chance is not None and row.ece > row.ece_by_chance
    ]
    if not names:
        return ""
    return (
        f"The probabilities of {named(names)} are not to be read as chances: they miss the share "
        "of films with the finding by more than chance explains."
    )
