"""What a watch has found, as records that its page, its JSON and the console show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from spark_cxr.metrics.course import MEAN, WEEK
from spark_cxr.metrics.results import Row
from spark_cxr.metrics.sequential import Look, Watched
from spark_cxr.metrics.wording import counted, decimal, percent, printable


@dataclass(frozen=True)
class Period:
    """A week or a day of the calendar."""

    first: int
    """Its first day, as an ordinal."""
    days: int
    is_over: bool
    """What is not over yet is shown and not tested."""

    @property
    def last(self) -> int:
        """Give its last day."""
        return self.first + self.days - 1

    @property
    def name(self) -> str:
        """Name it as calendars do: 2025-W07, 2025-02-10."""
        return name_of(self.first, self.days)


@dataclass(frozen=True)
class Spell:
    """An alarm and its length: a measure that is away in one look after another is one alarm."""

    measure: str
    first: Look
    last: Look
    looks: int
    is_now: bool
    """It holds at the last look."""
    usual: float
    is_share: bool

    @property
    def since(self) -> date:
        """Give the first day of what was looked at first."""
        return date.fromordinal(self.first.day - self.first.width + 1)

    def sentence(self) -> str:
        """Say it for people."""
        found, before = (written(v, self.is_share) for v in (self.last.value, self.usual))
        last = date.fromordinal(self.last.day)
        over = counted(self.last.width, "day")
        return (
            f"{printable(self.measure)} is {found} in the {over} to {last} "
            f"({counted(int(self.last.films), 'film')}), {before} in the reference; away since the "
            f"{over} that began on {self.since}"
        )


@dataclass(frozen=True)
class LateFigures:
    """What labels that arrived later say of one period."""

    labelled: int
    right: int
    auc: float | None
    """Mean over the classes or findings of which the period has both kinds; None: of none."""


@dataclass(frozen=True)
class WatchedModel:
    """One model's course."""

    model: str
    labels: tuple[str, ...]
    is_of_findings: bool
    films: int
    periods: tuple[Period, ...]
    """All from the first to the last, those without films too."""
    counts: tuple[int, ...]
    """Files of each, scored or refused."""
    reference: str
    """What everything is held against, in words."""
    is_ready: bool
    """There is a reference, so that something can be said."""
    measures: tuple[Watched, ...]
    spells: tuple[Spell, ...]
    late: tuple[LateFigures | None, ...] = ()
    """By period, where labels were given."""
    notes: tuple[str, ...] = ()

    @property
    def now(self) -> tuple[Spell, ...]:
        """Give the alarms of the last look."""
        return tuple(spell for spell in self.spells if spell.is_now)


@dataclass(frozen=True)
class WatchReport:
    """All that the page shows."""

    models: tuple[WatchedModel, ...]
    by: str
    false_alarms: float
    setup: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def now(self) -> tuple[Spell, ...]:
        """Give the alarms of all models at their last look."""
        return tuple(spell for model in self.models for spell in model.now)

    @property
    def status(self) -> str:
        """Give alarm, quiet, or learning: no model has a whole reference yet."""
        if self.now:
            return "alarm"
        return "quiet" if any(model.is_ready for model in self.models) else "learning"


def name_of(first: int, days: int) -> str:
    """Name a period by its first day and its length."""
    day = date.fromordinal(first)
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}" if days == WEEK else day.isoformat()


def written(value: float, is_share: bool) -> str:
    """Write a value of a measure."""
    return percent(value) if is_share else decimal(value)


def spells_of(watched: Watched, ends: Sequence[int]) -> list[Spell]:
    """Join alarms of one look after another; of a day's windows the one further away counts."""
    by_day: dict[int, Look] = {}
    for look in watched.alarms:
        known = by_day.get(look.day)
        if known is None or abs(look.z) > abs(known.z):
            by_day[look.day] = look
    runs: list[list[Look]] = []
    for place, day in enumerate(ends):
        if day not in by_day:
            continue
        if runs and place and ends[place - 1] == runs[-1][-1].day:
            runs[-1].append(by_day[day])
        else:
            runs.append([by_day[day]])
    return [
        Spell(
            measure=watched.course.name,
            first=run[0],
            last=run[-1],
            looks=len(run),
            is_now=run[-1].day == ends[-1],
            usual=watched.usual.value,
            is_share=watched.course.kind != MEAN,
        )
        for run in runs
    ]


def monday(day: int) -> int:
    """Give the Monday of a day's week."""
    return day - date.fromordinal(day).weekday()
