"""The accuracy of classifiers that see less than the film, drawn beside the real result."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_cxr.metrics.checks import FAIL, WARN, Check
from spark_cxr.metrics.wording import percent, printable
from spark_cxr.report.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, LINE, TOP, BOTTOM = 440.0, 24.0, 22.0, 36.0
LEFT = 0.3
"""Share of the width for names."""
REAL = "Your classifier"
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#7a7a7a"


def draw_reach(checks: Sequence[Check]) -> str:
    """Draw the accuracy of each check that has one beside the real one; empty if there is none."""
    shown = [check for check in checks if "real_accuracy" in dict(check.numbers)]
    if not shown:
        return ""
    found = dict(shown[0].numbers)
    bars = [(REAL, found["real_accuracy"] or 0.0, _BLUE)]
    bars += [(c.title, dict(c.numbers)["accuracy"] or 0.0, _colour(c)) for c in shown]
    size = (WIDTH, TOP + BOTTOM + LINE * len(bars))

    def pen(figure: "Figure") -> None:
        box = (LEFT, BOTTOM / size[1], 0.97 - LEFT - 0.1, 1 - (TOP + BOTTOM) / size[1])
        axes = figure.add_axes(box)
        _bars(axes, bars)
        _lines(axes, found)

    told = "; ".join(f"{name} {percent(share)}" for name, share, _ in bars)
    return draw("reach", "What classifiers reach that see less", told, size, pen)


def _colour(check: Check) -> str:
    return _ORANGE if check.status in (FAIL, WARN) else _GREY


def _bars(axes: "Axes", bars: Sequence[tuple[str, float, str]]) -> None:
    places = range(len(bars))
    axes.barh(places, [share for _, share, _ in bars], color=[c for *_, c in bars], height=0.62)
    for place, (_, share, _) in zip(places, bars, strict=True):
        axes.text(share + 0.015, place, percent(share), va="center", fontsize=9)
    axes.set_yticks(list(places), [printable(name) for name, *_ in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100\u202f%"])
    axes.set_xlabel("Test films classified correctly")
    axes.tick_params(axis="y", length=0)


def _lines(axes: "Axes", found: dict[str, float | int | None]) -> None:
    """Mark chance by a line, and the interval of the real result by a band."""
    chance, low, high = found["majority"], found["real_low"], found["real_high"]
    if chance is not None:
        axes.axvline(chance, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.text(chance, -0.55, "commonest label", va="bottom", ha="center", fontsize=9)
    if low is not None and high is not None:
        axes.axvspan(low, high, color=_BLUE, alpha=0.14, linewidth=0)
