"""A comparison by source in words: what heads are worth where they have not learned."""

from __future__ import annotations

from collections.abc import Iterator

from spark_cxr.metrics.comparison_results import SourceComparison, SourceRow
from spark_cxr.metrics.measure import Part
from spark_cxr.metrics.wording import (
    against_majority,
    counted,
    decimal,
    percent,
    percent_range,
)


def source_lines(found: SourceComparison | None) -> Iterator[str]:
    """Give the lines for the console."""
    if found is None:
        return
    yield "each source by heads that have learned from all others:"
    for row in found.rows:
        yield f"  {row.name}: {pooled(row)}; {macro(row)}"
        yield from (f"    {each.name}: {of_source(each)}" for each in row.sources)
    yield f"  note: {against_majority(found.rows[0].metrics)}"
    yield from (f"  note: {sentence}" for sentence in found.left_out)


def verdict(found: SourceComparison) -> str:
    """Say what the best is worth elsewhere."""
    best = found.rows[0]
    return (
        f"On a source that was not in its training, {best.name} was right on "
        f"{percent(best.metrics.accuracy)}"
    )


def pooled(row: SourceRow) -> str:
    """Give the figure of all films together."""
    between = percent_range(row.metrics.intervals.accuracy)
    ends = f" ({between})" if between else ""
    return f"accuracy {percent(row.metrics.accuracy)}{ends}, AUC {decimal(row.metrics.auc_macro)}"


def macro(row: SourceRow) -> str:
    """Give the mean of the sources."""
    with_figure = [each for each in row.sources if each.accuracy is not None]
    mean = f"accuracy {percent(row.macro_accuracy)}, AUC {decimal(row.macro_auc)}"
    return f"mean of {counted(len(with_figure), 'source')}: {mean}"


def of_source(part: Part) -> str:
    """Give the figure of one source."""
    kinds = "1 class" if len(part.labels) == 1 else f"{len(part.labels)} classes"
    films = f"{counted(part.n, 'film')} of {kinds}"
    if part.is_too_small:
        return f"{films}, too few for a figure"
    between = percent_range(part.accuracy_interval)
    ends = f" ({between})" if between else ""
    return f"accuracy {percent(part.accuracy)}{ends}, AUC {decimal(part.auc_macro)}, {films}"
