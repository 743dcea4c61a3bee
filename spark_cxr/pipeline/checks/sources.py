"""Sources and labels: whether the hospital that a film comes from gives its label away."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.checks import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    Check,
    CheckTable,
    Number,
    status_of,
)
from spark_cxr.metrics.counts import cramers_v
from spark_cxr.metrics.wording import counted, decimal
from spark_cxr.schemas import LABEL, SOURCE
from spark_cxr.settings import Audit

UNKNOWN = "unknown"
MOST = 50
"""Sources and labels that the table shows; V counts all."""
MOST_UNKNOWN = 0.1
"""Share of films without a source above which the check cannot pass."""
_NAME, _TITLE = "source_label", "Sources and labels"

Counts = Mapping[tuple[str, str], int]
"""Label and source → films."""


def check_sources(images: DataFrame, settings: Audit) -> Check:
    """Check how far the source of a film gives its label away."""
    labelled = images.where(F.col(LABEL).isNotNull())
    source = F.coalesce(F.col(SOURCE), F.lit(UNKNOWN)).alias(SOURCE)
    rows = labelled.groupBy(LABEL, source).count().collect()
    return judge_sources({(row[LABEL], row[SOURCE]): row["count"] for row in rows}, settings)


def judge_sources(counts: Counts, settings: Audit) -> Check:
    """Judge the table of sources and labels; films of unknown source are only shown."""
    labels = sorted({label for label, _ in counts})
    sources = sorted({source for _, source in counts} - {UNKNOWN})
    unknown = sum(n for (_, source), n in counts.items() if source == UNKNOWN)
    grid = _grid(counts, labels, [*sources, *([UNKNOWN] if unknown else [])])
    films = counted(sum(counts.values()), "film")
    remark = f" The source of {unknown:,} of {films} is not known: none is judged."
    remark = remark if unknown else ""
    known = [label for label in labels if any(counts.get((label, each)) for each in sources)]
    if len(labels) < 2:
        said = "There is at most one label, so there is nothing to tell apart."
        return Check(_NAME, _TITLE, NOT_APPLICABLE, said)
    if len(sources) < 2 or len(known) < 2:
        said = _too_few(sources, unknown)
        brief = f"{counted(len(sources), 'source')} known" if unknown else "one source"
        return Check(_NAME, _TITLE, NOT_APPLICABLE, f"{said}{remark}", grid=grid, brief=brief)
    table = [[counts.get((label, source), 0) for source in sources] for label in known]
    v = cramers_v(table) or 0.0
    bound = {label: where for label in known if (where := _only_source(label, counts, sources))}
    status = FAIL if bound else status_of(v, settings.warn_association, settings.fail_association)
    if status == PASS and unknown > MOST_UNKNOWN * sum(counts.values()):
        status, remark = NOT_APPLICABLE, f"{remark} That is too many of them to say that it passes."
    numbers: tuple[Number, ...] = (
        ("cramers_v", v),
        ("labels", len(known)),
        ("sources", len(sources)),
        ("labels_of_one_source", len(bound)),
        ("films_without_source", unknown),
    )
    said = f"{_sentence(v, bound, len(known))}{remark}"
    only = f"{len(bound)} of {len(known)} labels from one source; " if bound else ""
    return Check(_NAME, _TITLE, status, said, numbers, grid, brief=f"{only}V {decimal(v)}")


def _too_few(sources: list[str], unknown: int) -> str:
    if len(sources) == 1 and not unknown:
        return (
            f"All films come from one source, {sources[0]}: the label cannot be read off the "
            "source. Whether a classifier holds at another hospital cannot be seen here either."
        )
    open_ = "whether the source gives the label away is not known"
    if not sources:
        return f"No film names its source: {open_}."
    if len(sources) == 1:
        return f"{sources[0]} is the only source that is known: {open_}."
    return f"The sources are known for the films of one label only: {open_}."


def _only_source(label: str, counts: Counts, sources: list[str]) -> str:
    found = [source for source in sources if counts.get((label, source), 0)]
    return found[0] if len(found) == 1 else ""


def _sentence(v: float, bound: Mapping[str, str], n_labels: int) -> str:
    strength = f"Cramér's V {decimal(v)}, where 0 is no relation and 1 a complete one"
    if bound:
        named = ", ".join(f"{label} only from {source}" for label, source in bound.items())
        return (
            f"{len(bound)} of {n_labels} labels come from one source each: {named} ({strength}). A "
            "classifier that recognises scanners and borders can name these labels without looking "
            "at a lung, and no test on these films can show it. Add films of the label from "
            "another source, or other labels from the same one."
        )
    return (
        f"Every label comes from several sources; how closely label and source go together: "
        f"{strength}. The closer, the more of a good figure can come from recognising the "
        "hospital, so look at the results source by source."
    )


def _grid(counts: Counts, labels: list[str], sources: list[str]) -> CheckTable:
    rows = tuple(
        (label, *(f"{counts.get((label, source), 0):,}" for source in sources[:MOST]))
        for label in labels[:MOST]
    )
    return CheckTable("Films of each label and source", ("Label", *sources[:MOST]), rows)
