"""Folds by source: each source is tested by heads that have learned from all others.

A label that comes from one source only cannot be tested elsewhere, and a head that learned it could
name the source and look as if it named the label: its films are left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.errors import InputError, few
from spark_cxr.metrics.wording import counted
from spark_cxr.output import Output
from spark_cxr.pipeline.classes import Classes
from spark_cxr.pipeline.splits import FOLD
from spark_cxr.schemas import FINDINGS, LABEL, PATH, SOURCE
from spark_cxr.settings import Config

BY_SOURCE = "folds/by-source"
AUTO = "auto"
"""Of `--splits`: by patient and by image, and before both by source, where films tell."""
PLAIN = ("patient", "image")
MOST_SOURCES = 10
"""That are tested unasked: each head is fitted once for each of them."""
Counts = Mapping[str, Mapping[str, int]]
"""Films by label or finding, and by source."""


@dataclass(frozen=True)
class SourceFolds:
    """Films with their fold, which is their source."""

    rows: DataFrame
    """path and fold."""
    sources: tuple[str, ...]
    """In the order of the folds."""
    classes: Classes
    left_out: tuple[str, ...]
    """What these folds cannot test, in sentences."""


def source_folds(films: DataFrame, classes: Classes, output: Output) -> SourceFolds:
    """Give each film of a label that two sources have its source as its fold.

    Raises:
        InputError: Fewer than two labels are known from two sources.
    """
    counts, unknown = count_labels(films)
    kept = {label: of for label, of in counts.items() if len(of) > 1}
    left_out = (*(alone(label, of) for label, of in counts.items() if len(of) == 1),)
    if len(kept) < 2:
        received = "; ".join(left_out) or f"{counted(len(kept), 'label')} with a source"
        way_out = "Give a column source, or leave the folds by source out"
        raise InputError("two labels that each come from two sources", received, way_out)
    if unknown:
        left_out = (*left_out, f"{counted(unknown, 'film')} without a source are not tested")
    names = tuple(sorted({source for of in kept.values() for source in of}))
    chosen = Classes(tuple(part for part in classes.parts if part[0] in kept))
    rows = dealt(films.where(F.col(LABEL).isin(*kept)), names, output)
    return SourceFolds(rows, names, chosen, left_out)


def count_labels(films: DataFrame) -> tuple[Counts, int]:
    """Count films by label and source, and those without a source."""
    found: dict[str, dict[str, int]] = {}
    unknown = 0
    for row in films.groupBy(LABEL, SOURCE).count().orderBy(LABEL, SOURCE).collect():
        if row[SOURCE]:
            found.setdefault(row[LABEL], {})[row[SOURCE]] = row["count"]
        else:
            unknown += row["count"]
    return found, unknown


def dealt(films: DataFrame, sources: Sequence[str], output: Output) -> DataFrame:
    """Leave a table that says in which fold each film is tested."""
    places = F.create_map(*(F.lit(x) for fold, name in enumerate(sources) for x in (name, fold)))
    known = films.where(F.col(SOURCE).isin(*sources))
    rows = known.select(PATH, places[F.col(SOURCE)].alias(FOLD))
    output.write_table(rows, BY_SOURCE)
    return films.sparkSession.read.schema(rows.schema).parquet(output.table(BY_SOURCE))


def alone(label: str, sources: Mapping[str, int]) -> str:
    """Say that a label has one source only."""
    ((source, films),) = sources.items()
    return (
        f"{label} comes from {source} only ({counted(films, 'film')}): label and source cannot be "
        "told apart, so it is left out of the figure by source"
    )


def sources_apart(films: DataFrame, least: int = 2) -> tuple[str, ...]:
    """Name the sources that can be tested by heads of the others; none where labels forbid it.

    Args:
        films: With label and source.
        least: Labels that must come from two sources.
    """
    counts, _ = count_labels(films)
    kept = [of for of in counts.values() if len(of) > 1]
    return tuple(sorted({name for of in kept for name in of})) if len(kept) >= least else ()


def with_splits(cfg: Config, sources: Sequence[str]) -> Config:
    """Say for --splits auto which folds there are: by source first, where these can be tested."""
    if cfg.compare.splits != (AUTO,):
        return cfg
    by_source = (SOURCE,) if 0 < len(sources) <= MOST_SOURCES else ()
    return replace(cfg, compare=replace(cfg.compare, splits=(*by_source, *PLAIN)))


def missing_figure(sources: Sequence[str]) -> str:
    """Say which figure is missing where sources could be tested and are not."""
    if not sources:
        return ""
    return (
        f"The films come from {counted(len(sources), 'source')} ({few(sources, 4)}), and "
        "no figure says what the heads are worth on a source that they have not learned from. Add "
        "--folds source to get it"
    )


# Several findings a film


def finding_sources(films: DataFrame, findings: Sequence[str]) -> dict[str, str]:
    """Say of each finding that cannot be tested elsewhere why; films need `findings`.

    Training without any one source must still have films with it and without.
    """
    known = films.where(F.col(SOURCE).isNotNull() & (F.col(SOURCE) != ""))
    cells = known.select(SOURCE, F.explode(FINDINGS).alias("finding", "present"))
    rows = cells.where(F.col("present").isNotNull()).distinct().collect()
    reasons = dict[str, str]()
    for finding in findings:
        for present, words in ((True, "with"), (False, "without")):
            own = [r for r in rows if r["finding"] == finding and r["present"] == present]
            of = sorted({row[SOURCE] for row in own})
            if len(of) < 2:
                whose = f"only {of[0]} has films {words} it" if of else f"no source has any {words}"
                reasons[finding] = f"{whose}, so no other source can test what is learned there"
    return reasons


def finding_folds(films: DataFrame, output: Output) -> tuple[DataFrame, tuple[str, ...]]:
    """Give each film with a source that as its fold, and name the sources."""
    known = films.where(F.col(SOURCE).isNotNull() & (F.col(SOURCE) != ""))
    names = tuple(sorted(row[SOURCE] for row in known.select(SOURCE).distinct().collect()))
    if len(names) < 2:
        received, way_out = few(names) or "none", "Give a column source, or take other --splits"
        raise InputError("films of two sources for --splits source", received, way_out)
    return dealt(known, names, output), names
