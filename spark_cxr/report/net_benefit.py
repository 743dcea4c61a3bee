"""The section of a page on what acting on a model's answers would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_cxr.metrics.net_benefit import DecisionCurve
from spark_cxr.metrics.wording import counted, decimal, percent, printable
from spark_cxr.report.html import Html, element, figure, section
from spark_cxr.report.plots import COLOURS, WIDTH, add_axes
from spark_cxr.report.sections import NOTHING
from spark_cxr.report.svg import INK, Spot, draw, spots_along

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEIGHT = 235.0
BOTTOM = 56.0
LEFT = 60.0
"""Points: numbers of three decimals and a minus stand between the axis and its name."""
LEAD = (
    "Who acts from a probability of 10 % on weighs one missed film like nine alarms. Net benefit "
    "counts the films that are rightly acted on, less the wrong ones at that rate, as a share of "
    "all films: above both lines, the model is worth asking at that threshold."
)


def net_benefit_section(curves: Sequence[DecisionCurve]) -> Html:
    """Draw a decision curve for each label; nothing where there is none."""
    if not curves:
        return NOTHING
    drawn = (
        figure(Html(draw_net_benefit(curve, place)), _caption(curve))
        for place, curve in enumerate(curves)
    )
    plots = element("div", *drawn, class_="plots")
    return section("What acting on the answers is worth", element("p", LEAD), plots)


def draw_net_benefit(curve: DecisionCurve, place: int = 0) -> str:
    """Draw the net benefit of the model, of acting on all films, and of acting on none."""
    size = (WIDTH, HEIGHT)
    top = max(curve.prevalence, 0.01)

    def pen(figure: Figure) -> list[Spot]:
        axes = add_axes(figure, size, left=LEFT, bottom=BOTTOM)
        axes.axhline(0, color=INK, alpha=0.5, linewidth=0.8)
        axes.plot(curve.thresholds, curve.treat_all, color=INK, alpha=0.5, linestyle="dashed")
        if curve.band:
            band = curve.band
            axes.fill_between(
                band.at, band.low, band.high, color=COLOURS[0], alpha=0.13, linewidth=0
            )
        axes.plot(curve.thresholds, curve.model, color=COLOURS[0], linewidth=1.8)
        axes.set(xlim=(0, 1), ylim=(-0.25 * top, 1.08 * top), ylabel="Net benefit")
        axes.set_xlabel("Acting from this probability on; dashed: on every film")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
        axes.grid(color=INK, alpha=0.12, linewidth=0.8)
        words = [
            f"Acting from {percent(threshold)} on: net benefit {decimal(worth)}"
            for threshold, worth in zip(curve.thresholds, curve.model, strict=True)
        ]
        return spots_along(axes, curve.thresholds, curve.model, words)

    title = f"Decision curve of {printable(curve.label)}"
    return draw(f"net-benefit-{place}", title, _useful(curve), size, pen)


def _caption(curve: DecisionCurve) -> str:
    films = counted(curve.films, "film")
    share = percent(curve.prevalence)
    return f"{printable(curve.label)} ({share} of {films} have it): {_useful(curve)}."


def _useful(curve: DecisionCurve) -> str:
    if curve.useful is None:
        return "at no threshold better than acting on every film, or on none"
    low, high = curve.useful
    return f"better than acting on every film, or on none, from {percent(low)} to {percent(high)}"
