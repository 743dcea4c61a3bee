"""Which findings of some films there are enough of, and how the films are dealt out by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.schemas import FINDINGS, GROUP, LABEL

NONE = "~"
"""The stratum of films with none of the findings that make one; after all others in order."""


@dataclass(frozen=True)
class FindingTally:
    """How often one finding is known of some films."""

    finding: str
    positive: int
    """Films that have it."""
    negative: int
    """Films that are known not to have it."""
    positive_groups: int
    """Patients with a film that has it."""
    negative_groups: int

    @property
    def share(self) -> float:
        """Give the share of films with it among those of which it is known."""
        return self.positive / (self.positive + self.negative)

    def is_enough(self, least: int) -> bool:
        """Tell whether there are so many patients with it, and so many without."""
        return min(self.positive_groups, self.negative_groups) >= least

    def __str__(self) -> str:
        """Say how many patients there are with it and without."""
        return (
            f"{self.finding} ({self.positive_groups:,} patients with it, "
            f"{self.negative_groups:,} without)"
        )


def count_findings(films: DataFrame) -> tuple[FindingTally, ...]:
    """Count what is known of films, in one pass, by finding in alphabetical order."""
    cells = films.select(GROUP, F.explode(FINDINGS).alias("finding", "has_it"))
    has_it = F.col("has_it")
    counts = cells.groupBy("finding").agg(
        F.count_if(has_it),
        F.count_if(~has_it),
        F.count_distinct(F.when(has_it, F.col(GROUP))),
        F.count_distinct(F.when(~has_it, F.col(GROUP))),
    )
    return tuple(FindingTally(*row) for row in sorted(counts.collect()))


def enough_of(counts: Sequence[FindingTally], least: int) -> tuple[FindingTally, ...]:
    """Keep the findings that a head can learn; refuse films that have none of these."""
    kept = tuple(count for count in counts if count.is_enough(least))
    if not kept:
        expected = f"a finding with {least} patients that have it and {least} that do not"
        sides = [f"{c.finding}: {c.positive_groups:,} and {c.negative_groups:,}" for c in counts]
        received = few(sides, 4) or "films of which no finding is known"
        raise InputError(expected, received, "Add films, or lower --least-positives")
    return kept


def with_strata(films: DataFrame, counts: Sequence[FindingTally], least: int) -> DataFrame:
    """Put in place of the label the rarest finding of a film, so that splits deal these out evenly.

    A patient counts for the rarest finding of all his films. A finding that then has fewer than
    `least` patients of its own makes no stratum; its films count for their next one.
    """
    ordered = sorted(counts, key=lambda count: (count.positive_groups, count.finding))
    names = [f"{place:03} {count.finding}" for place, count in enumerate(ordered)]
    kept = dict(zip(names, ordered, strict=True))
    by_group = films.groupBy(GROUP).agg(F.min(_stratum(kept)).alias(LABEL)).groupBy(LABEL)
    sizes = {row[LABEL]: row["count"] for row in by_group.count().collect()}
    kept = {name: count for name, count in kept.items() if sizes.get(name, 0) >= least}
    if sizes.get(NONE, 0) < least and kept:
        kept.popitem()  # the commonest finding takes those without one in
    return films.withColumn(LABEL, _stratum(kept))


def _stratum(kept: dict[str, FindingTally]) -> Column:
    rows = (F.when(F.col(FINDINGS)[c.finding], F.lit(name)) for name, c in kept.items())
    return F.coalesce(*rows, F.lit(NONE))


def known_text(findings: Column) -> Column:
    """Write all that is known of a film as one text, by which it can be hashed."""
    entries = F.array_sort(F.map_entries(findings))
    return F.array_join(
        F.transform(entries, lambda each: F.concat(each["key"], F.lit("="), each["value"])), "|"
    )
