"""Age, sex, maker and device against labels: whether who is filmed, and how, gives a label away."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.metrics.checks import PASS, Check, CheckTable, status_of
from spark_cxr.metrics.counts import chance_z, corrected_v
from spark_cxr.metrics.measure import LEAST
from spark_cxr.metrics.wording import counted, decimal
from spark_cxr.pipeline.checks.sources import MOST, UNKNOWN
from spark_cxr.pipeline.subgroups import OF_IMAGES, with_band
from spark_cxr.schemas import GROUP, LABEL
from spark_cxr.settings import Audit

CHANCE = 2.8
"""Standard deviations from which on a relation is none of chance: four properties are looked at,
and of tables without any relation one in a hundred has a property beyond this."""
_NAME, _TITLE = "demographics_label", "Age, sex, device and labels"
Counts = Mapping[str, Mapping[tuple[str, str], int]]
"""Property → label and group → patients."""


def check_demographics(images: DataFrame, settings: Audit) -> tuple[Check, ...]:
    """Check how far age, sex, maker and device give labels away; nothing where none is known."""
    each = (F.struct(F.lit(by).alias("by"), F.col(by).alias("name")) for by in OF_IMAGES)
    films = with_band(images).where(F.col(LABEL).isNotNull())
    said = films.select(LABEL, GROUP, F.explode(F.array(*each)).alias("of"))
    name = F.coalesce("of.name", F.lit(UNKNOWN)).alias("name")
    rows = said.groupBy(LABEL, F.col("of.by").alias("by"), name).agg(
        F.count_distinct(GROUP).alias("patients")
    )
    counts = dict[str, dict[tuple[str, str], int]]()
    for row in rows.collect():
        counts.setdefault(row["by"], {})[row[LABEL], row["name"]] = row["patients"]
    return judge_demographics(counts, settings)


def judge_demographics(counts: Counts, settings: Audit) -> tuple[Check, ...]:
    """Judge the property that goes most closely with the label, by patients and not by films."""
    tables = {by: _table(counts.get(by, {})) for by in OF_IMAGES}
    known = {by: corrected_v(table) for by, table in tables.items() if table}
    related = {by: v for by, v in known.items() if v is not None}
    if not related:
        return ()
    real = [by for by in related if chance_z(tables[by]) >= CHANCE]
    worst = max(real or related, key=lambda by: related[by])
    v, cells = related[worst], counts[worst]
    patients = sum(n for (_, name), n in cells.items() if name != UNKNOWN)
    status = status_of(v, settings.warn_association, settings.fail_association)
    status = status if real else PASS
    said = (
        f"Of {', '.join(related)} it is the {worst} that goes most closely with the label "
        f"(Cramér's V {decimal(v)} over {counted(patients, 'patient')}, less what chance makes of "
        "so many; 0 is no relation and 1 a complete one). "
    )
    said += (
        "A label cannot be read off it."
        if status == PASS
        else f"A classifier can name labels by telling the {worst} and not the disease: look at "
        "the results group by group."
    )
    numbers = tuple((f"cramers_v_{by.replace(' ', '_')}", each) for by, each in related.items())
    grid, brief = _grid(cells, worst), f"{worst}, V {decimal(v)}"
    return (Check(_NAME, _TITLE, status, said, numbers, grid, brief=brief),)


def _table(cells: Mapping[tuple[str, str], int]) -> list[list[int]]:
    """Give the patients of each label and group that is known; nothing where they are too few."""
    names = sorted({name for _, name in cells} - {UNKNOWN})
    table = [
        [cells.get((label, name), 0) for name in names]
        for label in sorted({label for label, _ in cells})
    ]
    return table if sum(map(sum, table)) >= LEAST else []


def _grid(cells: Mapping[tuple[str, str], int], by: str) -> CheckTable:
    names = sorted({name for _, name in cells}, key=lambda name: (name == UNKNOWN, name))[:MOST]
    labels = sorted({label for label, _ in cells})[:MOST]
    rows = tuple(
        (label, *(f"{cells.get((label, name), 0):,}" for name in names)) for label in labels
    )
    return CheckTable(f"Patients of each label and {by}", ("Label", *names), rows)
