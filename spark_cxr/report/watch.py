"""The page of a watch: what has moved, and the course of each measure with what chance allows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from spark_cxr.metrics import wording
from spark_cxr.metrics.course import MEAN, WEEK
from spark_cxr.metrics.sequential import Watched
from spark_cxr.metrics.watch_results import (
    LateFigures,
    Period,
    Spell,
    WatchedModel,
    WatchReport,
    written,
)
from spark_cxr.report import sections
from spark_cxr.report.html import Html, element, facts, figure, page, section, table
from spark_cxr.report.plots import COLOURS, WIDTH, add_axes
from spark_cxr.report.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 150.0
MOST_CHARTS = 40
MOST_PERIODS = 60
"""Rows of the table of periods, the newest."""
HOW_TO_READ = (
    "Line: the measure, period by period. Shaded: what a week of so many films may do by chance. "
    "Grey line: the reference. Orange: an alarm of the last 7 or the last 14 days, which may begin "
    "while a single week is still within the shade. Open: not over yet, and not tested."
)
HOW_IT_TESTS = (
    "Each look spends its part of the false alarms of a year, divided among the looks of a year, "
    "the measures and two windows (7 and 14 days; Bonferroni). Shares are tested by the signed "
    "root of the likelihood ratio, means by their difference with a correction for skewness, both "
    "as Student's t. Weeks, weekdays and patients make films more alike than chance would: the "
    "dispersion says how many times more periods differ in the reference than unrelated films "
    "would, and every limit is wider by its root. The reference is short, so that estimate is "
    "uncertain, and a hospital whose weeks differ much by themselves will see more alarms."
)


def watch_page(report: WatchReport) -> str:
    """Write the page: one HTML document, the same bytes for the same report."""
    title = "Scores week by week" if report.by == "week" else "Scores day by day"
    return page(
        title,
        sections.notice(),
        element("p", "spark_cxr · watch", class_="eyebrow"),
        element("h1", title),
        element("p", *_verdict(report), class_="verdict"),
        sections.caveats(report.notes),
        *(
            part
            for number, model in enumerate(report.models)
            for part in _model(model, report, number)
        ),
        section("How it tests", element("p", HOW_IT_TESTS), facts(report.setup)),
        element("footer", element("p", sections.NOTICE)),
    )


def _verdict(report: WatchReport) -> Iterator[str | Html]:
    if report.status == "learning":
        yield "Nothing can be said yet: the reference is not whole."
        return
    found = report.now
    if not found:
        yield element("strong", "No measure has moved")
        yield " by more than chance allows, at the last look."
        return
    yield element("strong", f"{wording.counted(len(found), 'measure')} moved")
    yield f": {', '.join(dict.fromkeys(spell.measure for spell in found))}."


def _model(model: WatchedModel, report: WatchReport, number: int) -> Iterator[Html]:
    notes = element("ul", *(element("li", note) for note in model.notes), class_="remarks")
    yield section(
        f"Model {model.model}",
        facts((("Files", f"{model.films:,}"), ("Held against", model.reference))),
        notes if model.notes else sections.NOTHING,
        _alarms(model.spells),
    )
    if model.measures:
        charts = (
            figure(Html(_chart(each, model.periods, f"w{number}-{place}")), _caption(each))
            for place, each in enumerate(model.measures[:MOST_CHARTS])
        )
        lead = element("p", HOW_TO_READ)
        yield section("Measure by measure", lead, element("div", *charts, class_="plots"))
        yield section("What can be found", _measures(model.measures))
    yield section(f"{report.by.capitalize()} by {report.by}", _periods(model))


def _alarms(spells: tuple[Spell, ...]) -> Html:
    if not spells:
        return element("p", "No alarm in any look.")
    headings = (
        "Measure",
        "Now",
        "Since",
        "Last look",
        "Value",
        "Reference",
        "Files",
        "Far, errors",
    )
    rows = (
        (
            spell.measure,
            "yes" if spell.is_now else "over",
            f"{spell.since}",
            f"{spell.last.width} days to {date.fromordinal(spell.last.day)}",
            written(spell.last.value, spell.is_share),
            written(spell.usual, spell.is_share),
            f"{int(spell.last.films):,}",
            f"{spell.last.z:+.1f}".replace("-", "−"),
        )
        for spell in spells
    )
    return table("Alarms, the newest first", headings, rows, numbers_from=4)


def _caption(watched: Watched) -> str:
    alarms = len({look.day for look in watched.alarms})
    end = f"{wording.counted(alarms, 'look')} with an alarm." if alarms else "No alarm."
    return f"{watched.course.name}. {end}"


def _measures(measures: tuple[Watched, ...]) -> Html:
    headings = (
        "Measure",
        "Reference",
        "Files of it",
        "Dispersion",
        "Last 7 days",
        "Found in 2 weeks",
    )
    caption = (
        "Found in 2 weeks: the lasting change that is an alarm after two weeks 95 times of 100, "
        "with as many files as the weeks had"
    )
    return table(caption, headings, map(_measure_row, measures))


def _measure_row(watched: Watched) -> tuple[str, ...]:
    is_share, usual = watched.course.kind != MEAN, watched.usual
    weeks = [look for look in watched.looks if look.width == WEEK]
    if not weeks:
        last, change = "too few", wording.NOT_DEFINED
    else:
        far = watched.findable(float(np.median([look.films for look in weeks])))
        sign = "+" if watched.course.only_up else "±"
        change = f"{sign}{100 * far:.1f} points" if is_share else f"{sign}{far:.3f}"
        last = written(weeks[-1].value, is_share)
    return (
        watched.course.name,
        written(usual.value, is_share),
        f"{int(usual.films):,}",
        f"{usual.dispersion:.2f}",
        last,
        change,
    )


def _periods(model: WatchedModel) -> Html:
    shown = [each for each in model.measures if each.course.family in SHOWN_BY_PERIOD]
    late = model.late or (None,) * len(model.periods)
    labelled = ("Labelled", "Right", "Mean AUC") if any(model.late) else ()
    headings = ("Period", "Files", *(each.course.name for each in shown), *labelled)
    ends = np.array([period.last for period in model.periods], dtype=np.int64)
    sums = [each.course.windows(ends, model.periods[0].days) for each in shown]
    rows = [
        (
            f"{period.name}{'' if period.is_over else ' (not over)'}",
            f"{films:,}",
            *(
                written(each[place, 1] / each[place, 0], watched.course.kind != MEAN)
                if each[place, 0]
                else wording.NOT_DEFINED
                for watched, each in zip(shown, sums, strict=True)
            ),
            *(_late(figures) if labelled else ()),
        )
        for place, (period, films, figures) in enumerate(
            zip(model.periods, model.counts, late, strict=True)
        )
    ]
    caption = f"The newest {min(len(rows), MOST_PERIODS)}, the last one first"
    return table(caption, headings, rows[::-1][:MOST_PERIODS], class_="wide dense")


SHOWN_BY_PERIOD = {"answers", "confidence", "distance", "refusals"}


def _late(figures: LateFigures | None) -> tuple[str, ...]:
    if figures is None:
        return (wording.NOT_DEFINED,) * 3
    right = wording.percent(figures.right / figures.labelled)
    return (f"{figures.labelled:,}", right, wording.decimal(figures.auc))


def _chart(watched: Watched, periods: tuple[Period, ...], name: str) -> str:
    """Draw one measure: its line, its band, and marks where there is an alarm."""
    size = (WIDTH, HEIGHT)
    is_share = watched.course.kind != MEAN
    unit = 100.0 if is_share else 1.0
    ends = np.array([period.last for period in periods], dtype=np.int64)
    sums = watched.course.windows(ends, periods[0].days)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = unit * sums[:, 1] / sums[:, 0]
    weeks = watched.course.windows(ends, WEEK)[:, 0]
    wide = unit * np.array([watched.band(n) if n > 0 else np.nan for n in weeks])
    usual = unit * watched.usual.value
    alarms = {look.day for look in watched.alarms}
    is_alarm = np.array([end in alarms for end in ends.tolist()], dtype=bool)
    is_over = np.array([period.is_over for period in periods], dtype=bool)

    def pen(figure: Figure) -> None:
        axes = add_axes(figure, size, bottom=28)
        across = np.arange(len(periods))
        low = usual - wide if not watched.course.only_up else np.full(len(wide), np.nan)
        bottom = np.where(np.isfinite(low), np.maximum(low, 0), 0 if is_share else np.nan)
        top = np.minimum(usual + wide, unit) if is_share else usual + wide
        axes.fill_between(across, bottom, top, color=INK, alpha=0.10, linewidth=0)
        axes.axhline(usual, color=INK, alpha=0.4, linewidth=0.8)
        axes.plot(across[is_over], values[is_over], color=COLOURS[0], linewidth=1.2)
        dots: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.2}
        axes.plot(across[is_over], values[is_over], color=COLOURS[0], **dots)
        axes.plot(across[~is_over], values[~is_over], color=COLOURS[0], fillstyle="none", **dots)
        marks: dict[str, Any] = {"linestyle": "none", "marker": "D", "markersize": 5}
        axes.plot(across[is_alarm], values[is_alarm], color=COLOURS[1], **marks)
        places = np.unique(np.linspace(0, len(periods) - 1, 4).astype(int))
        axes.set_xticks(places, [periods[place].name for place in places], fontsize=8.5)
        axes.tick_params(axis="y", labelsize=8.5)
        axes.set_ylabel("%" if is_share else "", fontsize=9)

    words = "; ".join(
        f"{period.name} {value:.3g}{'' if not alarm else ', alarm'}"
        for period, value, alarm in zip(periods, values, is_alarm, strict=True)
        if np.isfinite(value)
    )
    return draw(name, watched.course.name, words, size, pen)
