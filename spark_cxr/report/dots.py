"""Dots with their intervals: accuracy over training size, and classifiers under each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_cxr.metrics import Interval, LearningPoint
from spark_cxr.metrics.finding_records import FindingLearningPoint
from spark_cxr.metrics.wording import (
    THIN,
    decimal,
    decimal_range,
    percent,
    percent_range,
    printable,
)
from spark_cxr.report.plots import BOTTOM, COLOURS, LEFT, WIDTH, add_axes
from spark_cxr.report.svg import INK, Spot, draw, spots_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LANE = 46.0
"""Points for the name and the two dots of one classifier."""
KEY = 34.0
MARKERS = ("o", "D")


@dataclass(frozen=True)
class Axis:
    """What the dots stand for, and how it is written."""

    name: str
    unit: float
    """What a value of 1 is on the axis."""
    word: Callable[[float | None], str]
    ends: Callable[[Interval | None], str]


ACCURACY = Axis(f"Accuracy,{THIN}%", 100.0, percent, percent_range)
MACRO_AUC = Axis("Mean AUC over the findings", 1.0, decimal, decimal_range)


@dataclass(frozen=True)
class Dot:
    """A figure, its interval, and the figures of its folds."""

    value: float
    interval: Interval | None
    folds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lane:
    """One classifier: its name, and a dot for each way of splitting; None where there is none."""

    name: str
    dots: tuple[Dot | None, ...]


def draw_learning(
    curve: Sequence[LearningPoint | FindingLearningPoint],
    what: str = "Accuracy",
    axis: Axis = ACCURACY,
) -> str:
    """Draw a figure, with its intervals, over the number of training images."""
    size = (WIDTH, 250.0)
    words = [f"{each.n_train:,} training images: {axis.word(each.value)}" for each in curve]

    def pen(figure: "Figure") -> list[Spot]:
        axes = add_axes(figure, size, left=LEFT + 6)
        across = [each.n_train for each in curve]
        values = [axis.unit * each.value for each in curve]
        axes.plot(across, values, color=COLOURS[0], marker="o")
        for each in curve:
            if each.interval is not None:
                ends = [axis.unit * each.interval.low, axis.unit * each.interval.high]
                axes.plot([each.n_train] * 2, ends, color=COLOURS[0], linewidth=1.2, alpha=0.7)
        _logarithmic(axes, across)
        axes.set(xlabel="Training images", ylabel=axis.name.replace(THIN, " "))
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
        return spots_along(axes, across, values, words)

    return draw("learning", f"{what} over training size", "; ".join(words), size, pen)


def draw_lanes(lanes: Sequence[Lane], kinds: Sequence[str], axis: Axis = ACCURACY) -> str:
    """Draw each classifier in a lane of its own, a dot with its interval for each kind.

    Args:
        lanes: From the top down.
        kinds: What the first and the second dot stand for.
        axis: What the dots are figures of.
    """
    size = (WIDTH, BOTTOM + KEY + LANE * len(lanes))

    def pen(figure: "Figure") -> list[Spot]:
        axes = add_axes(figure, size, left=4, top=KEY)
        axes.set(ylim=(len(lanes), 0), xlim=_room(lanes, axis.unit), xlabel=axis.name)
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.8)
        for place, lane in enumerate(lanes):
            _draw_lane(axes, place, lane, axis.unit)
        _draw_key(figure, kinds, size)
        return _lane_spots(axes, lanes, kinds, axis)

    title = "Accuracies with intervals" if axis is ACCURACY else f"{axis.name}, with intervals"
    return draw("ranking", title, _in_words(lanes, kinds, axis), size, pen)


def _draw_lane(axes: "Axes", place: int, lane: Lane, unit: float) -> None:
    name = printable(f"{place + 1}. {lane.name}")
    short = name if len(name) < 56 else f"{name[:54]}…"
    axes.text(0, place + 0.26, short, transform=axes.get_yaxis_transform(), va="center")
    for kind, (dot, height) in enumerate(zip(lane.dots, _heights(lane), strict=True)):
        if dot is not None:
            _draw_dot(axes, dot, place + height, kind, unit)


def _draw_dot(axes: "Axes", dot: Dot, height: float, kind: int, unit: float) -> None:
    colour: dict[str, Any] = {"color": COLOURS[kind]}
    folds = [unit * each for each in dot.folds]
    axes.plot(folds, [height] * len(folds), "|", markersize=7, alpha=0.6, **colour)
    if dot.interval is not None:
        ends = [unit * dot.interval.low, unit * dot.interval.high]
        axes.plot(ends, [height] * 2, linewidth=2.2, solid_capstyle="butt", **colour)
    axes.plot([unit * dot.value], [height], MARKERS[kind], markersize=7, clip_on=False, **colour)


def _draw_key(figure: "Figure", kinds: Sequence[str], size: tuple[float, float]) -> None:
    """Write above the lanes what the dots stand for."""
    height = 1 - 10 / size[1]
    for kind, words in enumerate(kinds):
        left = (8 + 130 * kind) / size[0]
        axes = figure.axes[0]
        mark = axes.plot([left], [height], MARKERS[kind], color=COLOURS[kind], markersize=7)
        mark[0].set(transform=figure.transFigure, clip_on=False)
        figure.text(left + 10 / size[0], height, printable(words)[:24], va="center", fontsize=9.5)


def _room(lanes: Sequence[Lane], unit: float) -> tuple[float, float]:
    """Give the ends of the axis: all that is drawn, and a little air."""
    every = [dot for lane in lanes for dot in lane.dots if dot is not None]
    shares = [share for dot in every for share in (dot.value, *dot.folds)]
    shares += [
        end for dot in every if dot.interval for end in (dot.interval.low, dot.interval.high)
    ]
    low, high = unit * min(shares), unit * max(shares)
    least = 0.005 * unit
    air = max(least, 0.04 * (high - low))
    return low - air, min(unit + least, high + air)


def _logarithmic(axes: "Axes", across: list[int]) -> None:
    """Scale by doublings, and name the sizes that were tried, as far as their names have room."""
    axes.set_xscale("log", base=2)
    kept: list[int] = []
    for each in reversed(across):
        if not kept or each <= 0.75 * kept[-1]:
            kept.append(each)
    axes.set_xticks(kept, [f"{each:,}" for each in kept])
    axes.minorticks_off()


def _heights(lane: Lane) -> tuple[float, ...]:
    return (0.55, 0.80) if len(lane.dots) > 1 else (0.62,)


def _lane_spots(
    axes: "Axes", lanes: Sequence[Lane], kinds: Sequence[str], axis: Axis
) -> list[Spot]:
    return [
        Spot(axes, axis.unit * dot.value, place + height, _dot_in_words(lane, kind, dot, axis))
        for place, lane in enumerate(lanes)
        for kind, dot, height in zip(kinds, lane.dots, _heights(lane), strict=True)
        if dot is not None
    ]


def _dot_in_words(lane: Lane, kind: str, dot: Dot, axis: Axis) -> str:
    return f"{lane.name}, {kind}: {axis.word(dot.value)} ({axis.ends(dot.interval)})"


def _in_words(lanes: Sequence[Lane], kinds: Sequence[str], axis: Axis) -> str:
    return "; ".join(
        _dot_in_words(lane, kind, dot, axis)
        for lane in lanes
        for kind, dot in zip(kinds, lane.dots, strict=True)
        if dot is not None
    )
