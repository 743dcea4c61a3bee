"""Findings: whether the source of a film gives them away, and where they are unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import few
from spark_cxr.metrics.checks import (
    FAIL,
    NOT_APPLICABLE,
    Check,
    CheckTable,
    status_of,
)
from spark_cxr.metrics.counts import cramers_v
from spark_cxr.metrics.wording import counted, decimal, percent
from spark_cxr.pipeline.checks.sources import UNKNOWN
from spark_cxr.schemas import FINDINGS, SOURCE
from spark_cxr.settings import Audit

MOST = 50
"""Findings that a table shows; the status counts all."""


@dataclass(frozen=True)
class SourceCells:
    """What is known of one finding of the films of one source."""

    films: int
    positive: int = 0
    negative: int = 0

    @property
    def known(self) -> int:
        """Count the films of which it is known."""
        return self.positive + self.negative


Cells = Mapping[str, Mapping[str, SourceCells]]
"""Finding → source → what is known there."""


def check_findings(images: DataFrame, settings: Audit) -> tuple[Check, Check]:
    """Check how far the source gives each finding away, and how far it says what is unknown."""
    source = F.coalesce(F.col(SOURCE), F.lit(UNKNOWN)).alias(SOURCE)
    films = {row[0]: row[1] for row in images.groupBy(source).count().collect()}
    cells = images.select(source, F.explode(FINDINGS).alias("finding", "has_it"))
    counted_ = cells.groupBy("finding", SOURCE).agg(
        F.count_if("has_it"), F.count_if(~F.col("has_it"))
    )
    known = {(finding, name): both for finding, name, *both in counted_.collect()}
    sources = sorted(set(films) - {UNKNOWN})
    found = {
        finding: {
            name: SourceCells(films[name], *known.get((finding, name), (0, 0))) for name in sources
        }
        for finding in sorted({finding for finding, _ in known})
    }
    return judge_finding_sources(found, sources, settings), judge_unknown(found, sources, settings)


def judge_finding_sources(found: Cells, sources: Sequence[str], settings: Audit) -> Check:
    """Judge how closely each finding and the source of a film go together."""
    name, title = "source_findings", "Sources and findings"
    if len(sources) < 2 or not found:
        return Check(name, title, NOT_APPLICABLE, _one_source(sources), brief="one source")
    bound, related = dict[str, str](), dict[str, float]()
    for finding, cells in found.items():
        with_it = [source for source in sources if cells[source].positive]
        if len(with_it) == 1:
            bound[finding] = with_it[0]
        table = [[cells[source].positive, cells[source].negative] for source in sources]
        related[finding] = cramers_v(table) or 0.0
    worst = max(related, key=lambda finding: related[finding])
    status = status_of(related[worst], settings.warn_association, settings.fail_association)
    said = (
        f"Of {counted(len(found), 'finding')} {worst} goes most closely with the source (Cramér's "
        f"V {decimal(related[worst])}, where 0 is no relation and 1 a complete one). The closer, "
        "the more of a good AUC can come from recognising the hospital: look at the figures source "
        "by source."
    )
    if bound:
        named = few([f"{finding} ({source})" for finding, source in bound.items()], 6)
        said = (
            f"{len(bound)} of {counted(len(found), 'finding')} occur in films of one source only: "
            f"{named}. A classifier that recognises the hospital needs no lung for these. {said}"
        )
    numbers = (
        ("worst_cramers_v", related[worst]),
        ("findings", len(found)),
        ("findings_of_one_source", len(bound)),
    )
    brief = f"{worst}, V {decimal(related[worst])}"
    grid = _by_source(found, sources, related)
    return Check(name, title, FAIL if bound else status, said, numbers, grid, brief=brief)


def _by_source(found: Cells, sources: Sequence[str], related: Mapping[str, float]) -> CheckTable:
    rows = tuple(
        (
            finding,
            decimal(related[finding]),
            *(_share(cells[s].positive, cells[s].known) for s in sources),
        )
        for finding, cells in list(found.items())[:MOST]
    )
    caption = "Films with each finding, of those of which it is known, by source"
    return CheckTable(caption, ("Finding", "Cramér's V", *sources), rows)


def judge_unknown(found: Cells, sources: Sequence[str], settings: Audit) -> Check:
    """Judge whether what is unknown of a film is unknown at random, as far as sources show it."""
    name, title = "unknown_findings", "Unknown findings"
    cells = [cell for by_source in found.values() for cell in by_source.values()]
    films, known = sum(cell.films for cell in cells), sum(cell.known for cell in cells)
    if not films or known == films:
        said = "Of every film every finding is known." if films else "No source is known."
        return Check(name, title, NOT_APPLICABLE, said, brief="none unknown" if films else "")
    related = {
        finding: cramers_v([[c.known, c.films - c.known] for c in by_source.values()]) or 0.0
        for finding, by_source in found.items()
    }
    worst = max(related, key=lambda finding: related[finding])
    said = (
        f"{percent(1 - known / films)} of all answers are unknown and count neither in training "
        "nor in a figure. "
    )
    if len(sources) > 1:
        said += (
            f"Whether {worst} is known goes most closely with the source (Cramér's V "
            f"{decimal(related[worst])}): where one hospital never answers, its films teach and "
            "test nothing of that finding. "
        )
    said += (
        "Films are read for a finding when somebody suspects it, so figures hold for such films."
    )
    rows = tuple(
        (finding, *(_share(c.films - c.known, c.films) for c in by_source.values()))
        for finding, by_source in list(found.items())[:MOST]
    )
    grid = CheckTable("Films of which a finding is unknown, by source", ("Finding", *sources), rows)
    status = status_of(related[worst], settings.warn_association, settings.fail_association)
    numbers = (("unknown_share", 1 - known / films), ("worst_cramers_v", related[worst]))
    brief = f"{percent(1 - known / films)} unknown"
    return Check(name, title, status, said, numbers, grid, brief=brief)


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({percent(part / whole)})" if whole else "none known"


def _one_source(sources: Sequence[str]) -> str:
    if not sources:
        return "No film names its source: whether it gives findings away is not known."
    return (
        f"All films come from one source, {sources[0]}: no finding can be read off the source. "
        "Whether a classifier holds at another hospital cannot be seen here either."
    )
