"""What a watch leaves for programs and for the console."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np

from spark_cxr.metrics.course import MEAN, WEEK
from spark_cxr.metrics.sequential import Look, Watched
from spark_cxr.metrics.watch_results import Period, Spell, WatchedModel, WatchReport
from spark_cxr.metrics.wording import counted, percent

FORMAT = 1


def watch_json(report: WatchReport) -> dict[str, Any]:
    """Give all that was found."""
    return {
        "format": FORMAT,
        "status": report.status,
        "by": report.by,
        "false_alarms_a_year": report.false_alarms,
        "models": [_model(each) for each in report.models],
        "notes": list(report.notes),
    }


def alerts_json(report: WatchReport) -> dict[str, Any]:
    """Give what a scheduler acts on: the alarms of the last look, of each model."""
    return {
        "format": FORMAT,
        "status": report.status,
        "alarms": [
            {"model": model.model, **_spell(spell)}
            for model in report.models
            for spell in model.now
        ],
    }


def console(report: WatchReport, page: str) -> Iterator[str]:
    """Give the lines for the console."""
    for model in report.models:
        yield f"{model.model}: {counted(model.films, 'file')} in {_span(model)}"
        if not model.is_ready:
            yield f"  {model.reference}"
        for spell in model.now:
            yield f"  ALARM: {spell.sentence()}"
        if model.is_ready and not model.now:
            yield f"  quiet: {counted(len(model.measures), 'measure')} within what chance allows"
        earlier = len(model.spells) - len(model.now)
        if earlier:
            yield f"  {counted(earlier, 'earlier alarm')}, now over"
        yield from (f"  note: {note}" for note in model.notes)
    yield from (f"note: {note}" for note in report.notes)
    yield f"false alarms: {percent(report.false_alarms)} a year and model"
    yield f"report: {page}"


def _span(model: WatchedModel) -> str:
    first, last = model.periods[0], model.periods[-1]
    return f"{first.name} to {last.name}" if len(model.periods) > 1 else first.name


def _model(model: WatchedModel) -> dict[str, Any]:
    return {
        "model": model.model,
        "films": model.films,
        "labels": list(model.labels),
        "reference": model.reference,
        "is_ready": model.is_ready,
        "periods": [
            {
                "name": period.name,
                "first": date.fromordinal(period.first).isoformat(),
                "last": date.fromordinal(period.last).isoformat(),
                "is_over": period.is_over,
                "films": films,
            }
            for period, films in zip(model.periods, model.counts, strict=True)
        ],
        "measures": [_measure(each, model.periods) for each in model.measures],
        "labelled": [
            late and {"films": late.labelled, "right": late.right, "auc": late.auc}
            for late in model.late
        ],
        "alarms": [_spell(spell) for spell in model.spells],
        "notes": list(model.notes),
    }


def _measure(watched: Watched, periods: tuple[Period, ...]) -> dict[str, Any]:
    course, usual = watched.course, watched.usual
    ends = np.array([period.last for period in periods], dtype=np.int64)
    films, sums = course.windows(ends, periods[0].days)[:, :2].T.tolist()
    return {
        "name": course.name,
        "family": course.family,
        "kind": course.kind,
        "only_up": course.only_up,
        "usual": usual.value,
        "usual_films": usual.films,
        "spread": usual.spread,
        "dispersion": usual.dispersion,
        "level_a_look": watched.level,
        "limits": {f"{width} days": watched.limit(width) for width in (WEEK, 2 * WEEK)},
        "found_in_two_weeks": watched.findable(week) if (week := usual_week(watched)) else None,
        "films": [int(n) for n in films],
        "values": [total / n if n else None for n, total in zip(films, sums, strict=True)],
        "alarms": [_look(look) for look in watched.alarms],
    }


def usual_week(watched: Watched) -> float:
    """Give the films of a week that had some, in the middle."""
    looks = [look.films for look in watched.looks if look.width == WEEK]
    return float(np.median(looks)) if looks else 0.0


def _look(look: Look) -> dict[str, Any]:
    last = date.fromordinal(look.day)
    return {
        "last_day": last.isoformat(),
        "days": look.width,
        "films": int(look.films),
        "value": look.value,
        "z": look.z,
    }


def _spell(spell: Spell) -> dict[str, Any]:
    return {
        "measure": spell.measure,
        "since": spell.since.isoformat(),
        "is_now": spell.is_now,
        "looks": spell.looks,
        "usual": spell.usual,
        "last": _look(spell.last),
        "kind": "share" if spell.is_share else MEAN,
        "sentence": spell.sentence(),
    }
