"""The section of a page on missed disease: group by group, with what chance would do."""

from spark_cxr.metrics.subgroup_gaps import SubgroupGap, SubgroupGaps
from spark_cxr.metrics.subgroup_wording import gap_warnings, gaps_in_words, judged
from spark_cxr.metrics.wording import (
    NOT_DEFINED,
    counted,
    percent,
    percent_range,
    percent_sign,
    points,
    points_range,
)
from spark_cxr.report.html import Html, element, on_screen, section, table
from spark_cxr.report.sections import NOTHING, with_small

LEAD = (
    "Missed: called normal although the truth names a disease, or none of the findings named "
    "although there is one. The gap is that share less the one of all other films whose group is "
    "known, in percentage points."
)


def missed_by_group(found: SubgroupGaps | None) -> Html:
    """Show how much disease is missed in each group, on paper in words alone."""
    if found is None or not found.rows:
        return NOTHING
    warnings = gap_warnings(found)
    lines = (element("li", element("strong", sentence)) for sentence in warnings)
    alarms = element("aside", element("ul", *lines), class_="caveats", role="note")
    properties = dict.fromkeys(row.by for row in found.rows)
    return section(
        "Missed disease, group by group",
        alarms if warnings else NOTHING,
        element("p", f"{gaps_in_words(found)} {LEAD}"),
        on_screen(
            *(_property_table(found, by) for by in properties),
            element("p", _small_print(found)),
        ),
    )


def _property_table(found: SubgroupGaps, by: str) -> Html:
    headings = (by.capitalize(), "Judged", "Missed", "Gap to the others", "Films", "Patients")
    rows = [_row(row) for row in found.rows if row.by == by]
    unknown = found.unknown.get(by, 0)
    rest = f"; of {counted(unknown, 'film')} it is not known" if unknown else ""
    return table(f"Films with {found.label} by {by}{rest}", headings, rows, numbers_from=2)


def _row(row: SubgroupGap) -> tuple[str | Html, ...]:
    gap = NOT_DEFINED if row.gap.value is None else points(row.gap.value)
    return (
        row.name,
        judged(row),
        with_small(percent(row.missed.value), percent_range(row.missed.interval)),
        with_small(gap, points_range(row.gap.interval)),
        f"{row.positives:,}",
        f"{row.patients:,}",
    )


def _small_print(found: SubgroupGaps) -> str:
    share = percent_sign(f"{found.level:.0%}")
    return (
        f"Of all {counted(found.positives, 'film')} with {found.label}, "
        f"{percent(found.missed.value)} are missed. Beyond chance: shuffling patients among the "
        f"groups makes a gap of any of them stand out as much in at most {share} of the cases, so "
        "the number of groups is allowed for. The intervals are for each group by itself."
    )
