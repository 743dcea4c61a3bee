"""One run of `watch`: a score table → the course of each measure, its alarms, a page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np

from spark_cxr import __version__
from spark_cxr.errors import ConfigError, InputError, few, without_password
from spark_cxr.metrics.course import WEEK, MeasureCourse, Usual, usual_of
from spark_cxr.metrics.ranks import area_under_roc
from spark_cxr.metrics.sample import Flags, Floats
from spark_cxr.metrics.sequential import Watched, levels, watch_course
from spark_cxr.metrics.watch_results import (
    LateFigures,
    Period,
    WatchedModel,
    WatchReport,
    monday,
    spells_of,
)
from spark_cxr.metrics.wording import counted, duration, percent
from spark_cxr.model.manifest import REFERENCE, read_manifest, read_member
from spark_cxr.model.predictor import UNLIKE
from spark_cxr.model.reference import Reference, unpack
from spark_cxr.output import Outcome, Output, absolute
from spark_cxr.report.watch import watch_page
from spark_cxr.settings import Config, WatchScores
from spark_cxr.verbs.watch.films import labels_among, read_films, read_late_labels
from spark_cxr.verbs.watch.reading import Courses, Joined, LateAnswers, read_courses
from spark_cxr.verbs.watch.results import alerts_json, console, watch_json
from spark_cxr.verbs.watch.table import open_scores
from spark_cxr.verbs.watch.tally import CONFIDENCE, DISTANCE, REFUSALS, RIGHT, FilmTally

FEWEST = 100
"""Files in a reference below which nothing is held against it."""
LONG_GAP = 8
"""Weeks without a film within the reference after which the clock is doubted."""


def watch_step(cfg: Config, output: Output) -> Outcome:
    """Read, test, and leave `watch.json`, `alerts.json` and `report.html`."""
    settings, started = cfg.watch, time.monotonic()
    if not settings.table:
        raise ConfigError("--table DIR", "none", "Say --table DIR, the one of score")
    today = datetime.now(UTC).date().toordinal()
    joined = _joined(settings)
    courses = read_courses(open_scores(settings.table), settings.time, joined, today)
    known = _reference(settings, courses)
    models = tuple(
        watch_model(name, tally, settings, today, known.get(name), courses.late.get(name))
        for name, tally in sorted(courses.tallies.items())
    )
    report = _report(models, settings, courses, time.monotonic() - started)
    output.write_json("watch.json", watch_json(report))
    output.write_json("alerts.json", alerts_json(report))
    output.write_text("report.html", watch_page(report))
    counts = {
        "rows": courses.rows,
        "models": len(models),
        "watch": report.status,
        "alarms": len(report.now),
    }
    return Outcome(counts, "\n".join(console(report, output.table("report.html"))))


def _joined(settings: WatchScores) -> Joined:
    films, attributes = read_films(settings.films) if settings.films else (None, ())
    labels = None
    if settings.labels:
        columns = (settings.key_column, settings.label_column)
        labels = read_late_labels(settings.labels, *columns)
    return Joined(films, attributes, labels)


def _reference(settings: WatchScores, courses: Courses) -> dict[str, tuple[Reference, int]]:
    """Read what the training was like, and on how many films of the test that rests."""
    if not settings.model:
        return {}
    directory = Output(absolute(settings.model).rstrip("/"))
    manifest = read_manifest(directory)
    if manifest.identity not in courses.tallies:
        received = f"--model={settings.model}, {manifest.identity}"
        way_out = f"The table has {few(sorted(courses.tallies), 3)}"
        raise InputError("the --model of a score in --table", received, way_out)
    known = unpack(read_member(directory, manifest, REFERENCE))
    return {manifest.identity: (known, int(manifest.metrics.get("n") or 0))}


def watch_model(
    name: str,
    tally: FilmTally,
    settings: WatchScores,
    today: int,
    training: tuple[Reference, int] | None = None,
    late: LateAnswers | None = None,
) -> WatchedModel:
    """Follow one model's measures."""
    days, counts = tally.days(), tally.totals[REFUSALS]
    periods = _periods(days, settings.by, today)
    span = _reference_span(days, settings.reference)
    is_whole = span.weeks == settings.reference and span.last < today
    is_own = is_whole and sum(n for day, n in counts.items() if day <= span.last) >= FEWEST
    measures = _measures(tally, settings, span, is_own, training, periods)
    ends = [period.last for period in periods if period.is_over]
    spells = [spell for each in measures for spell in spells_of(each, ends)]
    return WatchedModel(
        model=name,
        labels=tally.labels,
        is_of_findings=tally.is_of_findings,
        films=counts.total(),
        periods=tuple(periods),
        counts=tuple(sum(counts[d] for d in range(p.first, p.last + 1)) for p in periods),
        reference=_in_words(settings, span, is_own, training),
        is_ready=bool(measures),
        measures=tuple(measures),
        spells=tuple(sorted(spells, key=lambda s: (-s.last.day, s.first.day))),
        late=tuple(_late_figures(late, tally, periods)) if late is not None else (),
        notes=tuple(_notes(tally, days, late, settings.by)),
    )


@dataclass(frozen=True)
class _Span:
    """The days of the reference."""

    first: int
    last: int
    weeks: int
    """With films."""


def _reference_span(days: Sequence[int], wanted: int) -> _Span:
    """Take the first weeks that have films; calendars begin them on Monday."""
    mondays = sorted({monday(day) for day in days})[:wanted]
    return _Span(mondays[0], mondays[-1] + WEEK - 1, len(mondays))


def _periods(days: Sequence[int], by: str, today: int) -> list[Period]:
    """List weeks or days from the first with films to the last."""
    step = WEEK if by == "week" else 1
    first, last = (monday(days[0]), monday(days[-1])) if by == "week" else (days[0], days[-1])
    return [Period(day, step, day + step <= today) for day in range(first, last + 1, step)]


def _measures(
    tally: FilmTally,
    settings: WatchScores,
    span: _Span,
    is_own: bool,
    training: tuple[Reference, int] | None,
    periods: Sequence[Period],
) -> list[Watched]:
    """Hold each measure against the training where that says what it was, else the first weeks."""
    held = list[tuple[MeasureCourse, Usual, int]]()
    for course in tally.courses():
        usual = usual_of(course, span.first, span.last)
        trained = usual_at_training(course, usual, *training) if training else None
        if trained is not None:
            held.append((course, trained, span.first + WEEK - 1))
        elif usual is not None and is_own:
            held.append((course, usual, span.last + 1))
    spent = levels([course for course, _, _ in held], settings.by, settings.false_alarms)
    ends = np.array([period.last for period in periods if period.is_over], dtype=np.int64)
    return [
        watch_course(course, usual, level, ends[ends >= start])
        for (course, usual, start), level in zip(held, spent, strict=True)
    ]


def usual_at_training(
    course: MeasureCourse, usual: Usual | None, known: Reference, films: int
) -> Usual | None:
    """Say what a measure was at the test of the training; None where the model does not say.

    How weeks differ only weeks can say: that is taken from the first of the table.
    """
    shares = {f"share {label}": share for label, share in known.shares.items()}
    shares[f"flag {UNLIKE}"] = known.false_alarms
    means = {
        f"mean {CONFIDENCE}": (known.confidence, known.confidence_spread),
        f"mean {DISTANCE}": (known.distance, known.distance_spread),
    }
    if usual is None or films <= 0 or course.name not in (*shares, *means):
        return None
    if course.name in means:
        value, spread = means[course.name]
        return replace(usual, films=films, value=value, spread=max(spread, 1e-9))
    value = shares[course.name]
    safe = (value * films + 0.5) / (films + 1)
    return replace(usual, films=films, value=value, spread=(safe * (1 - safe)) ** 0.5)


def _in_words(
    settings: WatchScores, span: _Span, is_own: bool, training: tuple[Reference, int] | None
) -> str:
    first, last = date.fromordinal(span.first), date.fromordinal(span.last)
    weeks = f"the first {counted(settings.reference, 'week')} with films, {first} to {last}"
    if training:
        rest = weeks if is_own else f"nothing yet ({span.weeks} of {settings.reference} weeks)"
        return (
            f"Answers, confidence, distance and {UNLIKE}: the {training[1]:,} films of the model's "
            f"own test. All else: {rest}."
        )
    if is_own:
        return f"{weeks[0].upper()}{weeks[1:]}."
    return (
        f"None yet: {span.weeks} of {counted(settings.reference, 'week')} with films since "
        f"{first}, which must be over and have {FEWEST} files together."
    )


def _late_figures(
    late: LateAnswers, tally: FilmTally, periods: Sequence[Period]
) -> Iterator[LateFigures | None]:
    """Sum up each period's labelled films; none for one without."""
    if not late.days:
        return
    days, truth, shares = map(np.concatenate, (late.days, late.truth, late.shares))
    labelled, right = tally.totals[RIGHT], tally.counts[RIGHT, ""]
    for period in periods:
        chosen = (days >= period.first) & (days <= period.last)
        if not chosen.any():
            yield None
            continue
        own = range(period.first, period.last + 1)
        yield LateFigures(
            labelled=sum(labelled[day] for day in own),
            right=sum(right[day] for day in own),
            auc=_mean_auc(truth[chosen], shares[chosen]),
        )


def _mean_auc(truth: Flags, shares: Floats) -> float | None:
    is_answered = np.isfinite(shares).all(axis=1)
    truth, shares = truth[is_answered], shares[is_answered].astype(np.float64)
    areas = (area_under_roc(truth[:, k], shares[:, k]) for k in range(truth.shape[1]))
    found = [area for area in areas if area is not None]
    return float(np.mean(found)) if found else None


def _notes(
    tally: FilmTally, days: Sequence[int], late: LateAnswers | None, by: str
) -> Iterator[str]:
    """Say what a reader should know of these films."""
    weeks = [monday(day) for day in days]
    for before, after in pairwise(weeks):
        gap = (after - before) // WEEK - 1
        if gap > 0 and by == "week":
            since = date.fromordinal(before + WEEK)
            doubt = ": was the clock right before?" if gap >= LONG_GAP else ""
            yield f"No film for {counted(gap, 'week')} from {since}{doubt}"
    if late is not None:
        if sentence := labels_among(late.others, tally.labels):
            yield sentence
        elif not late.days:
            yield "No film of this model is among the labels"


def _report(
    models: tuple[WatchedModel, ...], settings: WatchScores, courses: Courses, seconds: float
) -> WatchReport:
    odd = [
        f"{counted(n, 'row')} {what}, which the clock of the machine that scored must have got "
        "wrong: left out"
        for what, n in sorted(courses.odd.items())
    ]
    if settings.labels == "":
        odd.append("No labels were given, so nothing is said of how often answers are right")
    return WatchReport(
        models=models,
        by=settings.by,
        false_alarms=settings.false_alarms,
        setup=(
            ("Table", without_password(settings.table)),
            ("Rows", f"{courses.rows:,}"),
            ("Time of a film", settings.time),
            ("Looks", f"at the end of each {settings.by}, over the last 7 and the last 14 days"),
            ("False alarms", f"{percent(settings.false_alarms)} of years without a change"),
            ("Time", duration(seconds)),
            ("spark_cxr", __version__),
        ),
        notes=tuple(odd),
    )
