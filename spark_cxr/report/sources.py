"""The figure that stands first where sources are known: each tested by heads of all others."""

from __future__ import annotations

from collections.abc import Iterator

from spark_cxr.metrics import wording
from spark_cxr.metrics.comparison_results import SourceComparison, SourceRow
from spark_cxr.metrics.measure import Part
from spark_cxr.metrics.source_wording import macro, verdict
from spark_cxr.metrics.wording import decimal, decimal_range, percent, percent_range
from spark_cxr.report.html import Html, element, join, section, table
from spark_cxr.report.sections import NOTHING, with_small

LEAD = (
    "Each source is tested by heads that were trained on all other sources; films of a patient or "
    "a near-duplicate of a tested film never train. This is as near as these films come to another "
    "hospital, and the figures below, by patient and by image, are of hospitals that were in "
    "training."
)


def by_source(found: SourceComparison | None) -> Html:
    """Say what the heads are worth on a source that they have not learned from."""
    if found is None:
        return NOTHING
    best = found.rows[0]
    chance = wording.against_majority(best.metrics)
    interval = wording.finding_range(best.metrics)
    headings = ("Head, backbone", "Source", "Accuracy", "Macro AUC", "Classes", "Films", "Groups")
    rows = (cells for row in found.rows for cells in _rows(row))
    figures = table("By source, and all films together", headings, rows, numbers_from=2)
    left_out = element("ul", *(element("li", each) for each in found.left_out), class_="remarks")
    return join(
        [
            element("p", element("strong", verdict(found)), f" ({interval}).", class_="verdict"),
            element("p", f"{macro(best)[0].upper()}{macro(best)[1:]}. {chance}", class_="remarks"),
            section(
                "On a source that was not in training",
                element("p", LEAD),
                figures,
                left_out if found.left_out else NOTHING,
            ),
        ]
    )


def _rows(row: SourceRow) -> Iterator[tuple[str, ...]]:
    found, name = row.metrics, with_small(row.head, row.backbone)
    between = found.intervals
    yield (
        name,
        "all films",
        with_small(percent(found.accuracy), percent_range(between.accuracy)),
        with_small(decimal(found.auc_macro), decimal_range(between.auc_macro)),
        f"{len(found.labels)}",
        f"{found.n:,}",
        f"{found.groups:,}",
    )
    means = (percent(row.macro_accuracy), decimal(row.macro_auc))
    yield (name, "mean of the sources", *means, "", "", "")
    yield from ((name, part.name, *_figures(part)) for part in row.sources)


def _figures(part: Part) -> tuple[str, ...]:
    sizes = (f"{len(part.labels)}", f"{part.n:,}", f"{part.groups:,}")
    if part.is_too_small:
        return ("too few", "too few", *sizes)
    accuracy = with_small(percent(part.accuracy), percent_range(part.accuracy_interval))
    return (accuracy, with_small(decimal(part.auc_macro), decimal_range(part.auc_interval)), *sizes)
