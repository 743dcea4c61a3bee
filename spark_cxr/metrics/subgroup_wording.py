"""Missed disease by group, in words: for the page, the console and a card."""

from spark_cxr.metrics.subgroup_gaps import LEAST, SubgroupGap, SubgroupGaps
from spark_cxr.metrics.wording import counted, percent, points, points_range

TOO_FEW = "too few to say"


def gap_warnings(found: SubgroupGaps | None) -> tuple[str, ...]:
    """Warn of each group in which more is missed than chance explains, the worst first."""
    if found is None:
        return ()
    return tuple(gap_in_words(row, found.label) for row in found.alarms)


def gap_in_words(row: SubgroupGap, label: str) -> str:
    """Say how much is missed in a group, and how far that is from the others."""
    missed = round((row.missed.value or 0.0) * row.positives)
    gap = row.gap.value or 0.0
    between = points_range(row.gap.interval)
    return (
        f"{row.by} {row.name}: of {counted(row.positives, 'film')} with {label} {missed:,} "
        f"({percent(row.missed.value)}) are missed, {points(abs(gap))} percentage points "
        f"{'more' if gap > 0 else 'fewer'} than in the other groups"
        f"{f' (gap {between})' if between else ''}: {judged(row)}."
    )


def judged(row: SubgroupGap) -> str:
    """Say in a few words whether a gap means anything."""
    if row.is_too_small:
        return TOO_FEW
    if not row.is_beyond_chance:
        return "within chance"
    return "more than chance explains" if row.is_alarm else "fewer than chance explains"


def gaps_in_words(found: SubgroupGaps) -> str:
    """Sum up in a sentence or two what the groups show."""
    known = [row for row in found.rows if not row.is_too_small]
    few = f"A group needs {LEAST} patients with {found.label}, and so do the others."
    if not known:
        return f"In every group there are too few patients to say anything. {few}"
    if found.alarms:
        named = ", ".join(f"{row.by} {row.name}" for row in found.alarms)
        return f"More films with {found.label} are missed than chance explains in: {named}."
    open_ = len(found.rows) - len(known)
    rest = f" Of {counted(open_, 'group')} nothing can be said: {few}" if open_ else ""
    none = f"In none of {len(known):,} groups are more films with {found.label} missed"
    if len(known) == 1:
        none = f"In the one group with enough patients no more films with {found.label} are missed"
    return (
        f"{none} than chance explains. That is no proof that all fare alike: small gaps need many "
        f"patients.{rest}"
    )
