"""What probes reached on each finding → checks that begin with the finding that is worst off.

Each finding is a question of its own, held against its absence over the films where it is known.
So the figure is the AUC, whose chance is one half however rare the finding is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from spark_cxr.errors import few
from spark_cxr.metrics.checks import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    STATUSES,
    WARN,
    Check,
    CheckPart,
    CheckTable,
    Number,
    status_of,
)
from spark_cxr.metrics.finding_records import Estimate, FindingFigures, FindingMetrics
from spark_cxr.metrics.wording import counted, decimal, decimal_range, percent, percent_range
from spark_cxr.settings import Audit
from spark_cxr.verbs.audit.finding_probes import FindingSteadiness
from spark_cxr.verbs.audit.probe_checks import CHANGES, ENDING, SHORTCUTS, check_name
from spark_cxr.verbs.audit.probes import way

CHANCE = 0.5
"""The AUC of answers that know nothing of the finding."""
MOST = 50
"""Findings that a table of the page shows; audit.json has all."""
NAMED = 6
"""Findings that a sentence names."""


@dataclass(frozen=True)
class FindingReach:
    """How well answers on one finding are ordered, on less than the film and on the whole film."""

    finding: str
    known: int
    """Test films where it is known."""
    positives: int
    """And those that have it."""
    reached: Estimate
    """AUC of the classifier that sees less."""
    real: Estimate
    """AUC of the one that sees the whole film."""

    @property
    def way(self) -> float:
        """Say how far it gets from chance to the real result."""
        if self.reached.value is None or self.real.value is None:
            return -math.inf
        return way(self.reached.value, CHANCE, self.real.value)

    @property
    def is_judged(self) -> bool:
        """Say whether there is a clear result that a shortcut could explain."""
        return _beats_chance(self.real) and self.reached.value is not None


_Row = TypeVar("_Row", FindingReach, FindingSteadiness, FindingFigures)


@dataclass(frozen=True)
class _Wording:
    """How a check of several findings is written."""

    name: str
    title: str
    headings: tuple[str, ...]
    caption: str


def reach_of(reached: FindingMetrics, real: FindingMetrics) -> tuple[FindingReach, ...]:
    """Put what less than the film reaches beside what the whole film reaches."""
    return tuple(
        FindingReach(row.finding, row.known, row.positives, row.figures.auc, whole.figures.auc)
        for row, whole in zip(reached.rows, real.rows, strict=True)
    )


def check_finding_shortcut(
    name: str, found: Sequence[FindingReach], settings: Audit, remark: str = ""
) -> Check:
    """Compare what a shortcut reaches with the real result, a finding at a time.

    The rule is that of one label, from the chance of one half on: see `check_shortcut`.
    """
    shortcut = SHORTCUTS[name]
    statuses = {each.finding: _status(each, settings, shortcut.worst) for each in found}
    ordered = _worst_first(found, statuses, lambda each: each.way)
    worst = ordered[0]
    if not worst.is_judged:
        return _no_result(check_name(name), shortcut.title, ordered)
    said = (
        f"{_opening(worst.finding, ordered)} a classifier that sees {shortcut.sees} reaches an AUC "
        f"of {_figure(worst.reached)}, yours {_figure(worst.real)}; 0.5 is chance.{remark}"
    )
    if statuses[worst.finding] in (WARN, FAIL):
        said += f"{_others(worst.finding, statuses)} {shortcut.follows}. {ENDING}"
    wording = _reach_wording(check_name(name), shortcut.title, "Seeing less")
    return _reach_check(wording, ordered, statuses, said)


def check_finding_centre(found: Sequence[FindingReach], settings: Audit) -> Check:
    """Check the opposite: without its border a film should be read as well as with it."""

    def status(each: FindingReach) -> str:
        interval = each.real.interval
        if not each.is_judged:
            return NOT_APPLICABLE
        if interval is None or each.reached.value is None or each.reached.value >= interval.low:
            return PASS
        return FAIL if each.way < settings.warn_way else WARN

    statuses = {each.finding: status(each) for each in found}
    ordered = _worst_first(found, statuses, lambda each: -each.way)
    worst = ordered[0]
    if not worst.is_judged:
        return _no_result("centre_only", "Centre only", ordered)
    said = (
        f"{_opening(worst.finding, ordered)} films without their border (the outer tenth on each "
        f"side) give an AUC of {_figure(worst.reached)}, with it {_figure(worst.real)}."
    )
    if statuses[worst.finding] == PASS:
        said += " The figures do not need the border."
    else:
        said += f"{_others(worst.finding, statuses)} What is lost came from the border, where "
        said += "there is no lung."
    wording = _reach_wording("centre_only", "Centre only", "Centre only")
    return _reach_check(wording, ordered, statuses, said)


def check_finding_change(view: str, found: Sequence[FindingSteadiness], settings: Audit) -> Check:
    """Check how many answers a small change of the film reverses, a finding at a time."""
    title, done, most = CHANGES[view]

    def status(changed: float | None) -> str:
        if changed is None:
            return NOT_APPLICABLE
        found = status_of(changed, settings.warn_changed, settings.fail_changed)
        return most if found == FAIL else found

    statuses = {each.finding: status(each.changed.value) for each in found}
    ordered = _worst_first(found, statuses, lambda each: each.changed.value or 0.0)
    worst = ordered[0]
    said = (
        f"{_opening(worst.finding, ordered)} {_share(worst.changed)} of the answers change with "
        f"{done}, and {percent(worst.right.value)} are right, compared with "
        f"{percent(worst.before)} before."
    )
    if statuses[worst.finding] in (WARN, FAIL):
        said += (
            f"{_others(worst.finding, statuses)} The disease is still on the film, so something "
            "else changes the answer, and films that were taken or stored in another way will be "
            "read differently."
        )
    wording = _Wording(
        *(f"stable_{view}", f"Steady when {title.lower()}"),
        ("Finding", "Films", "Change", "95 % interval", "Right", "Before"),
        "Answers on each finding at its operating point, over the test films where it is known",
    )
    numbers = (("changed", worst.changed.value), ("films", worst.films))
    brief = f"{worst.finding}, {percent(worst.changed.value)} change"
    return _check(wording, *_changes(ordered, statuses), said, numbers, brief)


def _changes(
    ordered: Sequence[FindingSteadiness], statuses: Mapping[str, str]
) -> tuple[list[CheckPart], list[tuple[str, ...]]]:
    parts, rows = list[CheckPart](), list[tuple[str, ...]]()
    for each in ordered:
        changed, right = _numbers("changed", each.changed), _numbers("accuracy", each.right)
        numbers = (("films", each.films), *changed, *right, ("accuracy_before", each.before))
        parts.append(CheckPart(each.finding, statuses[each.finding], numbers))
        shares = percent(each.changed.value), percent_range(each.changed.interval)
        right_of = percent(each.right.value), percent(each.before)
        rows.append((each.finding, f"{each.films:,}", *shares, *right_of))
    return parts, rows


def check_finding_calibration(real: FindingMetrics, settings: Audit) -> Check:
    """Check whether stated probabilities come true as often as they say, a finding at a time."""

    def status(row: FindingFigures) -> str:
        if row.ece is None:
            return NOT_APPLICABLE
        found = status_of(row.ece, settings.warn_ece, settings.fail_ece)
        return found if row.ece > (row.ece_by_chance or 0.0) else PASS

    statuses = {row.finding: status(row) for row in real.rows}
    ordered = _worst_first(real.rows, statuses, lambda row: row.ece or 0.0)
    worst = ordered[0]
    said = (
        f"{_opening(worst.finding, ordered)} stated and found probabilities differ by "
        f"{percent(worst.ece)} on average (ECE; chance alone gives up to "
        f"{percent(worst.ece_by_chance)}), Brier score {decimal(worst.figures.brier.value)}."
    )
    if statuses[worst.finding] in (WARN, FAIL):
        said += (
            f"{_others(worst.finding, statuses)} Do not read these probabilities as chances until "
            "they are calibrated."
        )
    headings = ("Finding", "Films with it", "ECE", "By chance", "Brier score", "95 % interval")
    caption = "Stated against found probabilities of each finding"
    wording = _Wording("calibration", "Calibration", headings, caption)
    numbers = (("ece", worst.ece), ("ece_by_chance", worst.ece_by_chance))
    brief = f"{worst.finding}, ECE {percent(worst.ece)}"
    return _check(wording, *_errors(ordered, statuses), said, numbers, brief)


def _errors(
    ordered: Sequence[FindingFigures], statuses: Mapping[str, str]
) -> tuple[list[CheckPart], list[tuple[str, ...]]]:
    parts, rows = list[CheckPart](), list[tuple[str, ...]]()
    for each in ordered:
        brier = each.figures.brier
        numbers: tuple[Number, ...] = (
            *(("films", each.known), ("positives", each.positives)),
            *(("ece", each.ece), ("ece_by_chance", each.ece_by_chance)),
            *_numbers("brier", brier),
        )
        parts.append(CheckPart(each.finding, statuses[each.finding], numbers))
        shares = percent(each.ece), percent(each.ece_by_chance)
        score = decimal(brier.value), decimal_range(brier.interval)
        rows.append((each.finding, _counted(each.positives, each.known), *shares, *score))
    return parts, rows


def _beats_chance(found: Estimate) -> bool:
    interval = found.interval
    return interval is not None and interval.low > CHANCE


def _status(each: FindingReach, settings: Audit, worst: str) -> str:
    interval = each.real.interval
    if not each.is_judged or interval is None or each.reached.value is None:
        return NOT_APPLICABLE
    if not _beats_chance(each.reached):
        return PASS
    if each.way >= settings.fail_way or each.reached.value >= interval.low:
        return worst
    return WARN if each.way > settings.warn_way else PASS


def _worst_first(
    found: Sequence[_Row], statuses: Mapping[str, str], badness: Callable[[_Row], float]
) -> list[_Row]:
    def place(each: _Row) -> tuple[int, float, str]:
        return STATUSES.index(statuses[each.finding]), -badness(each), each.finding

    return sorted(found, key=place)


def _opening(worst: str, found: Sequence[object]) -> str:
    rest = f", the worst of {counted(len(found), 'finding')}," if len(found) > 1 else ""
    return f"For {worst}{rest}"


def _others(worst: str, statuses: Mapping[str, str]) -> str:
    """Name the other findings that are bad as well."""
    bad = [name for name, status in statuses.items() if status in (FAIL, WARN) and name != worst]
    if not bad:
        return ""
    return f" Also affected: {few(bad, NAMED)}."


def _counted(positives: int, known: int) -> str:
    return f"{positives:,} of {known:,}"


def _figure(found: Estimate) -> str:
    between = decimal_range(found.interval)
    return f"{decimal(found.value)} ({between})" if between else decimal(found.value)


def _share(found: Estimate) -> str:
    between = percent_range(found.interval)
    return f"{percent(found.value)} ({between})" if between else percent(found.value)


def _numbers(name: str, found: Estimate) -> tuple[Number, ...]:
    between = found.interval
    low, high = (between.low, between.high) if between else (None, None)
    return ((name, found.value), (f"{name}_low", low), (f"{name}_high", high))


def _reach_wording(name: str, title: str, less: str) -> _Wording:
    headings = ("Finding", "Films with it", less, "95 % interval", "Whole film", "95 % interval")
    caption = "AUC of each finding against its absence, over the test films where it is known"
    return _Wording(name, title, headings, caption)


def _reach_check(
    wording: _Wording, ordered: Sequence[FindingReach], statuses: Mapping[str, str], said: str
) -> Check:
    parts = tuple(
        CheckPart(
            each.finding,
            statuses[each.finding],
            (
                *(("films", each.known), ("positives", each.positives)),
                *_numbers("auc", each.reached),
                *_numbers("real_auc", each.real),
                ("way", each.way if each.is_judged else None),
            ),
        )
        for each in ordered
    )
    rows = [
        (
            *(each.finding, _counted(each.positives, each.known)),
            *(decimal(each.reached.value), decimal_range(each.reached.interval)),
            *(decimal(each.real.value), decimal_range(each.real.interval)),
        )
        for each in ordered
    ]
    worst = ordered[0]
    numbers = (("auc", worst.reached.value), ("real_auc", worst.real.value), ("way", worst.way))
    brief = (
        f"{worst.finding}, AUC {decimal(worst.reached.value)}, yours {decimal(worst.real.value)}"
    )
    return _check(wording, parts, rows, said, numbers, brief)


def _check(
    wording: _Wording,
    parts: Sequence[CheckPart],
    rows: Sequence[tuple[str, ...]],
    said: str,
    numbers: tuple[Number, ...],
    brief: str,
) -> Check:
    """Make a check as bad as its worst finding."""
    judged = sum(part.status != NOT_APPLICABLE for part in parts)
    bad = [(f"findings_{s}", sum(part.status == s for part in parts)) for s in (FAIL, WARN)]
    words = {NOT_APPLICABLE: "not judged"}
    shown = tuple(
        (*row, words.get(part.status, part.status))
        for row, part in zip(rows[:MOST], parts[:MOST], strict=True)
    )
    grid = CheckTable(wording.caption, (*wording.headings, "Result"), shown)
    counts = (("findings", len(parts)), ("findings_judged", judged), *bad)
    return Check(
        *(wording.name, wording.title, parts[0].status, said, (*numbers, *counts)),
        grid=grid,
        brief=brief,
        parts=tuple(parts),
    )


def _no_result(name: str, title: str, found: Sequence[FindingReach]) -> Check:
    best = max(found, key=lambda each: each.real.value or 0.0)
    said = (
        f"On none of {counted(len(found), 'finding')} is the real result clearly better than "
        f"chance (the best is {best.finding}, AUC {_figure(best.real)}): there is nothing that a "
        "shortcut could explain. Use more films, or a better network."
    )
    return Check(name, title, NOT_APPLICABLE, said, (("findings", len(found)),))
