"""Sources and labels: whether who knows the hospital knows the label."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.association import cramers_v
from spark_cxr.report.checks import FAIL, NOT_APPLICABLE, Check, Grid, Number, graver
from spark_cxr.report.wording import decimal
from spark_cxr.schemas import LABEL, SOURCE
from spark_cxr.settings import Audit

UNKNOWN = "unknown"
MOST = 50
"""Sources and labels that the table shows; V counts all."""
_NAME, _TITLE = "source_label", "Sources and labels"

Counts = Mapping[tuple[str, str], int]
"""Label and source → films."""


def check_sources(images: DataFrame, settings: Audit) -> Check:
    """Ask how far the source of a film says its label."""
    labelled = images.where(F.col(LABEL).isNotNull())
    source = F.coalesce(F.col(SOURCE), F.lit(UNKNOWN)).alias(SOURCE)
    rows = labelled.groupBy(LABEL, source).count().collect()
    return judge_sources({(row[LABEL], row[SOURCE]): row["count"] for row in rows}, settings)


def judge_sources(counts: Counts, settings: Audit) -> Check:
    """Judge the table of sources and labels."""
    labels, sources = (sorted({key[place] for key in counts}) for place in (0, 1))
    if len(labels) < 2:
        said = "There is one label at most: nothing to tell apart."
        return Check(_NAME, _TITLE, NOT_APPLICABLE, said)
    if len(sources) == 1:
        said = (
            f"All films come from one source, {sources[0]}: the label cannot be read off the "
            "source. Whether a classifier holds at another hospital cannot be seen here either."
        )
        return Check(
            _NAME,
            _TITLE,
            NOT_APPLICABLE,
            said,
            grid=_grid(counts, labels, sources),
            brief="one source",
        )
    table = [[counts.get((label, source), 0) for source in sources] for label in labels]
    v = cramers_v(table) or 0.0
    bound = {label: where for label in labels if (where := _only_source(label, counts, sources))}
    status = FAIL if bound else graver(v, settings.warn_association, settings.fail_association)
    numbers: tuple[Number, ...] = (
        ("cramers_v", v),
        ("labels", len(labels)),
        ("sources", len(sources)),
        ("labels_of_one_source", len(bound)),
    )
    said, grid = _sentence(v, bound, len(labels)), _grid(counts, labels, sources)
    only = f"{len(bound)} of {len(labels)} labels from one source; " if bound else ""
    return Check(_NAME, _TITLE, status, said, numbers, grid, brief=f"{only}V {decimal(v)}")


def _only_source(label: str, counts: Counts, sources: list[str]) -> str:
    found = [source for source in sources if counts.get((label, source), 0)]
    return found[0] if len(found) == 1 else ""


def _sentence(v: float, bound: Mapping[str, str], n_labels: int) -> str:
    strength = f"Cramér's V {decimal(v)}, where 0 is no relation and 1 says all"
    if bound:
        named = ", ".join(f"{label} only from {source}" for label, source in bound.items())
        return (
            f"{len(bound)} of {n_labels} labels come from one source each: {named} ({strength}). A "
            "classifier that knows scanners and borders can name these labels without looking at "
            "a lung, and no test on these films can tell. Add films of the label from another "
            "source, or other labels from the same one."
        )
    return (
        f"Every label comes from several sources, and the source says this much of the label: "
        f"{strength}. The more it says, the more of a good figure can come from knowing the "
        "hospital; look at results source by source."
    )


def _grid(counts: Counts, labels: list[str], sources: list[str]) -> Grid:
    rows = tuple(
        (label, *(f"{counts.get((label, source), 0):,}" for source in sources[:MOST]))
        for label in labels[:MOST]
    )
    return Grid("Films of each label and source", ("Label", *sources[:MOST]), rows)
