"""The section on operating points: a slider along the ROC curve, and what each point leads to."""

from __future__ import annotations

import json
from collections.abc import Iterator

from spark_cxr.metrics.finding_records import Estimate, FindingMetrics
from spark_cxr.metrics.records import Metrics
from spark_cxr.metrics.threshold_table import (
    SENSITIVITIES,
    ThresholdRow,
    ThresholdTable,
    threshold_tables,
)
from spark_cxr.metrics.wording import percent, percent_range, percent_sign
from spark_cxr.report.html import Html, element, section, table
from spark_cxr.report.sections import NOTHING, with_small

SIDE, LEFT, TOP = 240, 44, 12
"""The plot's square, and the room beside and above it; the script draws by the same numbers."""
LEAD = (
    "Who answers yes from a lower probability on finds more and alarms more. These are counts of "
    "the test: PPV and NPV hold where as many films have it as here, and a point that is chosen on "
    "these films looks better here than it will elsewhere."
)
HEADINGS = ("Yes to, as", "From", "Sensitivity", "Specificity", "PPV", "NPV")


def threshold_section(found: Metrics | FindingMetrics) -> Html:
    """Show what other thresholds would lead to; nothing where no label is a yes or no."""
    tables = threshold_tables(found)
    if not tables:
        return NOTHING
    data = json.dumps([_data(each) for each in tables], separators=(",", ":"))
    live = element(
        "div",
        element("figure", _plot(tables[0]), class_="plot"),
        element("div", class_="chosen"),
        id="operating",
        class_="operating",
        data_tables=data,
    )
    rows = [row for each in tables for row in _rows(each)]
    some = table("Some operating points", HEADINGS, rows, class_="wide dense")
    return section("What another threshold leads to", element("p", LEAD), live, some)


def _data(each: ThresholdTable) -> dict[str, object]:
    """Give what the script needs: the counts, and the ends of what has intervals."""
    own = each.own
    ends = (own.sensitivity, own.specificity, own.ppv, own.npv)
    return {
        "label": each.label,
        "positives": each.positives,
        "negatives": each.negatives,
        "rows": [[row.threshold, row.true_positives, row.false_positives] for row in each.rows],
        "own": each.rows.index(own.row),
        "ends": [percent_range(figure.interval) for figure in ends],
    }


def _rows(each: ThresholdTable) -> Iterator[tuple[Html | str, ...]]:
    own = each.own
    figures = (own.sensitivity, own.specificity, own.ppv, own.npv)
    yield (
        with_small(each.label, "as it answers now"),
        percent(own.row.threshold),
        *(_share(*pair) for pair in zip(figures, _counts(each, own.row), strict=True)),
    )
    # Where few films have it, one row reaches several: the highest names it.
    wanted = {row: share for share in SENSITIVITIES if (row := each.reaching(share))}
    for row, share in wanted.items():
        yield _row(each, row, percent_sign(f"sensitivity of {share:.0%} or more"))


def _row(each: ThresholdTable, row: ThresholdRow, why: str) -> tuple[Html | str, ...]:
    shares = (each.sensitivity(row), each.specificity(row), each.ppv(row), each.npv(row))
    cells = zip(map(Estimate, shares), _counts(each, row), strict=True)
    return (with_small(each.label, why), percent(row.threshold), *(_share(*pair) for pair in cells))


def _share(found: Estimate, count: str) -> Html:
    ends = percent_range(found.interval)
    return Html(with_small(percent(found.value), f"{count}; {ends}" if ends else count))


def _counts(each: ThresholdTable, row: ThresholdRow) -> tuple[str, str, str, str]:
    left = each.negatives - row.false_positives
    yes = row.true_positives + row.false_positives
    return (
        f"{row.true_positives:,} of {each.positives:,}",
        f"{left:,} of {each.negatives:,}",
        f"{row.true_positives:,} of {yes:,}",
        f"{left:,} of {each.films - yes:,}",
    )


def _plot(each: ThresholdTable) -> Html:
    """Draw the curve of the first label with its own point; the script draws the others."""
    right, bottom = LEFT + SIDE, TOP + SIDE
    middle = LEFT + SIDE / 2
    ticks = [
        _text(word, x=f"{LEFT - 6}", y=f"{bottom - share * SIDE + 4:.0f}", class_="end")
        for word, share in (("0", 0.0), (".5", 0.5), ("1", 1.0))
    ]
    ticks += [
        _text(word, x=f"{LEFT + share * SIDE:.0f}", y=f"{bottom + 16}")
        for word, share in (("0", 0.0), (".5", 0.5), ("1", 1.0))
    ]
    places = [_place(each, row) for row in each.rows]
    across, up = _place(each, each.own.row)
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in [(LEFT, bottom), *places, (right, TOP)])
    return element(
        "svg",
        element("title", "ROC curve with the operating point"),
        element("path", d=f"M{LEFT} {TOP}V{bottom}H{right}", class_="axis"),
        element("path", d=f"M{LEFT} {bottom}L{right} {TOP}", class_="guess"),
        element("path", d=f"M{line}", class_="curve"),
        element("circle", cx=f"{across:.1f}", cy=f"{up:.1f}", r="6", class_="point"),
        *ticks,
        _text("False positive rate (1 − specificity)", x=f"{middle:.0f}", y=f"{bottom + 34}"),
        _text("Sensitivity", transform=f"translate(14 {TOP + SIDE / 2:.0f}) rotate(-90)"),
        viewBox=f"0 0 {right + 12} {bottom + 42}",
        role="img",
    )


def _text(words: str, **attributes: str) -> Html:
    return element("text", words, **attributes)


def _place(each: ThresholdTable, row: ThresholdRow) -> tuple[float, float]:
    across = row.false_positives / each.negatives
    up = row.true_positives / each.positives
    return LEFT + SIDE * across, TOP + SIDE * (1 - up)
