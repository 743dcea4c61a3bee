"""The pictures of a report: each draws numbers that were computed before, and returns SVG text.

Series colours are of middle lightness (a contrast of 3 to 1 or more on white and on near-black
alike), taken from Okabe and Ito's palette for all kinds of colour vision and darkened where they
were too light; every series also has its own dash.
"""

from collections.abc import Collection, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from spark_cxr.metrics import (
    Band,
    Interval,
    Metrics,
    PrecisionRecallCurve,
    Reliability,
)
from spark_cxr.metrics.wording import decimal, percent
from spark_cxr.report.names import in_lines, shortened
from spark_cxr.report.roc_axes import RocAxes
from spark_cxr.report.svg import INK, Spot, draw, spots_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b8689a", "#a67c00", "#7a7a7a")
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1)), (0, (1, 2)))
WIDTH = 340.0
"""Points. On a phone of 390 pixels the text then shows in about the size it has here."""
LEGEND_LINE = 16.0
CROWD = 6
"""Classes from which on a matrix has room for one line a column, and for whole percents."""
SHADED = 4
"""Up to how many curves in a drawing have their bands shaded."""
LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 40.0


def draw_roc(metrics: Metrics) -> str:
    """Draw the ROC curve of each label against the rest, with its AUC in the legend."""
    rows = [
        _legend_row(label, "AUC", value, interval)
        for label, value, interval in zip(
            metrics.labels, metrics.auc, metrics.intervals.auc, strict=True
        )
    ]
    size, wanted = _size_with_legend(len(rows)), RocAxes.of(metrics.curves.roc, metrics.auc)

    def pen(figure: "Figure") -> list[Spot]:
        axes, spots = add_axes(figure, size, bottom=BOTTOM + LEGEND_LINE * len(rows)), []
        _roc_square(axes, wanted)
        wanted.guess(axes)
        curves = zip(_styles(), metrics.labels, metrics.curves.roc, strict=False)
        for style, label, curve in curves:
            if curve is not None:
                axes.plot(*wanted.places(curve), **style)
                if not wanted.is_logarithmic:  # a band has 50 steps, which these axes tear apart
                    _shade(axes, curve.band, style, len(rows))
                spots += wanted.spots(axes, label, curve)
        _legend(axes, rows, size)
        return spots

    return draw("roc", "ROC curves, each class against the rest", "; ".join(rows), size, pen)


def draw_precision_recall(metrics: Metrics) -> str:
    """Draw precision against recall of each label, with its average precision in the legend."""
    rows = [
        _legend_row(label, "AP", value, interval)
        for label, value, interval in zip(
            metrics.labels,
            metrics.average_precision,
            metrics.intervals.average_precision,
            strict=True,
        )
    ]
    size = _size_with_legend(len(rows))

    def pen(figure: "Figure") -> list[Spot]:
        axes, spots = add_axes(figure, size, bottom=BOTTOM + LEGEND_LINE * len(rows)), []
        _unit_square(axes, "Recall (sensitivity)", "Precision")
        curves = zip(_styles(), metrics.labels, metrics.curves.precision_recall, strict=False)
        for style, label, curve in curves:
            if curve is not None:
                recall, precision = (0.0, *curve.recall), (curve.precision[0], *curve.precision)
                axes.plot(recall, precision, drawstyle="steps-pre", **style)
                _shade(axes, curve.band, style, len(rows))
                faint = {**style, "linewidth": 0.8, "alpha": 0.5}
                axes.plot([0, 1], [curve.prevalence, curve.prevalence], **faint)
                spots += precision_spots(axes, label, curve)
        _legend(axes, rows, size)
        return spots

    return draw("precision-recall", "Precision and recall", "; ".join(rows), size, pen)


def draw_reliability(metrics: Metrics) -> str:
    """Draw how often the classifier was right against how confident it was."""
    return draw_trust(metrics.curves.reliability)


def draw_trust(
    curve: Reliability,
    name: str = "reliability",
    title: str = "Reliability diagram",
    up: str = "Share that was right",
) -> str:
    """Draw what was found against what was stated."""
    bins = list(zip(curve.confidence, curve.right, curve.counts, strict=True))
    points = [(sure, right) for sure, right, _ in bins if sure is not None and right is not None]
    size = (WIDTH, WIDTH + 20.0)
    words = "; ".join(f"sure {percent(sure)}, right {percent(right)}" for sure, right in points)

    def pen(figure: "Figure") -> list[Spot]:
        axes = add_axes(figure, size, bottom=BOTTOM + 66)
        _unit_square(axes, "", up)
        axes.tick_params(labelbottom=False)
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.4, linewidth=0.8)
        axes.plot(
            *zip(*points, strict=True), color=COLOURS[0], marker="o", markersize=5, clip_on=False
        )
        below = add_axes(figure, size, top=size[1] - BOTTOM - 54)
        _draw_counts(below, curve.edges, curve.counts)
        return [*trust_spots(axes, curve), *_count_spots(below, curve)]

    return draw(name, title, words, size, pen)


def precision_spots(
    axes: "Axes", label: str, curve: PrecisionRecallCurve, most: int = 24
) -> list[Spot]:
    """Say along a curve of precision and recall what each of its points is."""
    words = [
        f"{label}: recall {percent(recall)}, precision {percent(precision)}"
        for recall, precision in zip(curve.recall, curve.precision, strict=True)
    ]
    return spots_along(axes, curve.recall, curve.precision, words, most)


def trust_spots(axes: "Axes", curve: Reliability) -> list[Spot]:
    """Say of each bin what was stated and what was found."""
    bins = zip(curve.confidence, curve.right, curve.counts, strict=True)
    return [
        Spot(axes, said, found, f"Said {percent(said)}, found {percent(found)} of {count:,}")
        for said, found, count in bins
        if said is not None and found is not None
    ]


def _count_spots(axes: "Axes", curve: Reliability) -> list[Spot]:
    top = max(curve.counts)
    bins = zip(curve.edges[:-1], curve.edges[1:], curve.counts, strict=True)
    return [
        Spot(axes, low, 0, f"{percent(low)} to {percent(high)}: {count:,} images", (high, top))
        for low, high, count in bins
    ]


def add_axes(
    figure: "Figure",
    size: tuple[float, float],
    left: float = LEFT,
    right: float = RIGHT,
    top: float = TOP,
    bottom: float = BOTTOM,
) -> "Axes":
    """Add axes with margins in points, whatever the size of the figure."""
    width, height = size
    box = (
        left / width,
        bottom / height,
        (width - left - right) / width,
        (height - top - bottom) / height,
    )
    axes: Axes = figure.add_axes(box)
    return axes


def _shade(axes: "Axes", band: Band | None, style: dict[str, Any], curves: int) -> None:
    """Shade where the curve could have run; with many curves the shades would hide each other."""
    if band is not None and curves <= SHADED:
        axes.fill_between(
            band.at, band.low, band.high, color=style["color"], alpha=0.13, linewidth=0
        )


def _unit_square(axes: "Axes", across: str, up: str) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=across, ylabel=up, xticks=ticks, yticks=ticks)
    axes.set_xticklabels(["0", ".25", ".5", ".75", "1"])
    axes.set_yticklabels(["0", ".25", ".5", ".75", "1"])
    axes.grid(color=INK, alpha=0.12, linewidth=0.8)
    axes.set_axisbelow(True)


def _roc_square(axes: "Axes", wanted: RocAxes) -> None:
    across, up = "False positive rate (1 − specificity)", "True positive rate"
    if not wanted.is_logarithmic:
        _unit_square(axes, across, up)
        return
    wanted.stretch(axes, 10)
    axes.set(xlabel="False positive rate, logarithmic", ylabel=f"{up}, logarithmic")


def _draw_counts(axes: "Axes", edges: tuple[float, ...], counts: tuple[int, ...]) -> None:
    width = edges[1] - edges[0]
    axes.bar(edges[:-1], counts, 0.9 * width, align="edge", color=COLOURS[0], alpha=0.6)
    axes.set(xlim=(0, 1), xlabel="Confidence in the predicted class", ylabel="Images")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    # Inside: a number of thousands beside the axis would push its name out of the picture.
    axes.set_yticks([])
    most = f"highest {max(counts):,}"
    axes.text(0.02, 0.92, most, transform=axes.transAxes, va="top", fontsize="small")


def _styles() -> "cycle[dict[str, Any]]":
    return cycle(
        [
            {"color": colour, "linestyle": dash, "linewidth": 1.8}
            for colour, dash in zip(COLOURS, DASHES, strict=True)
        ]
    )


def _legend_row(label: str, name: str, value: float | None, interval: Interval | None) -> str:
    between = "" if interval is None else f" ({interval.low:.3f} to {interval.high:.3f})"
    return f"{shortened(label, 22)}: {name} {decimal(value)}{between}"


def _size_with_legend(rows: int) -> tuple[float, float]:
    square = WIDTH - LEFT - RIGHT
    return WIDTH, square + TOP + BOTTOM + LEGEND_LINE * rows


def _legend(axes: "Axes", rows: list[str], size: tuple[float, float]) -> None:
    """Write the legend under the axes, where no curve can be in its way."""
    figure = axes.figure
    for place, (style, row) in enumerate(zip(_styles(), rows, strict=False)):
        height = (LEGEND_LINE * (len(rows) - place) - 8) / size[1]
        across = [LEFT / size[0], (LEFT + 26) / size[0]]
        line = axes.plot(
            across, [height, height], transform=figure.transFigure, clip_on=False, **style
        )
        line[0].set_in_layout(False)
        figure.text((LEFT + 34) / size[0], height, row, va="center", fontsize=9.5)


def cell_id(true: int, predicted: int) -> str:
    """Name the part of the page that has the films of a cell."""
    return f"cell-{true}-{predicted}"


def draw_confusion(metrics: Metrics, linked: Collection[tuple[int, int]] = ()) -> str:
    """Draw the confusion matrix: counts, and the share of each row that they are.

    Args:
        metrics: What was counted.
        linked: Row and column of the cells whose films the page has.
    """
    names = [in_lines(label, 14) for label in metrics.labels]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in metrics.confusion]
    left, bottom = _label_room(names)
    size = (WIDTH, left + bottom + 0.78 * (WIDTH - left - RIGHT))

    def pen(figure: "Figure") -> list[Spot]:
        axes = add_axes(figure, size, left=left + 22, bottom=bottom + 22)
        _fill_cells(axes, metrics.confusion, shares)
        _name_cells(axes, metrics.labels, names)
        return _cell_spots(axes, metrics, shares, linked)

    words = "; ".join(_cells_in_words(metrics, shares))
    return draw("confusion", "Confusion matrix", words, size, pen)


def _fill_cells(
    axes: "Axes", counts: tuple[tuple[int, ...], ...], shares: list[list[float]]
) -> None:
    """Tint each cell by its share; the tint stays weak enough for text in either ink."""
    from matplotlib.patches import Rectangle

    k = len(counts)
    for row in range(k):
        for column in range(k):
            tint = COLOURS[0] if row == column else COLOURS[1]
            cell = Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=tint)
            cell.set(alpha=0.04 + 0.46 * shares[row][column], linewidth=0)
            axes.add_patch(cell)
            middle: dict[str, Any] = {"x": column + 0.5, "ha": "center"}
            number = f"{counts[row][column]:,}"
            axes.text(y=row + 0.47, s=number, va="bottom", fontsize=14 if k < 5 else 10, **middle)
            share = percent(shares[row][column])
            if k >= CROWD:
                share = f"{shares[row][column]:.0%}"
            axes.text(y=row + 0.53, s=share, va="top", fontsize=9 if k < 5 else 7, **middle)


def _name_cells(axes: "Axes", labels: Sequence[str], names: list[str]) -> None:
    middles = [place + 0.5 for place in range(len(names))]
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0))
    narrow = _tilt(names) and len(names) >= CROWD
    below = [shortened(label, 16) for label in labels] if narrow else names
    axes.set_xticks(middles, below, **_tilt(names))
    axes.set_yticks(middles, names)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel("Predicted", labelpad=8, weight="bold")
    axes.set_ylabel("True", labelpad=8, weight="bold")


def _tilt(names: list[str]) -> dict[str, Any]:
    """Turn the names of narrow columns, so that they do not run into each other."""
    room = 240 / len(names)
    if max(_text_width(name) for name in names) < room:
        return {}
    return {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}


def _label_room(names: list[str]) -> tuple[float, float]:
    """Give the points that names need to the left of and under the matrix."""
    widest = max(_text_width(name) for name in names)
    lines = max(name.count("\n") + 1 for name in names)
    return widest + 8, (0.75 * widest + 8 if _tilt(names) else 0) + 13.0 * lines


def _text_width(name: str) -> float:
    """Estimate a width in points: 6 a character at 10 points, a little more than is needed."""
    return 6.0 * max(len(line) for line in name.split("\n"))


def _cell_spots(
    axes: "Axes", metrics: Metrics, shares: list[list[float]], linked: Collection[tuple[int, int]]
) -> list[Spot]:
    places = [(row, column) for row in range(len(shares)) for column in range(len(shares))]
    said = _cells_in_words(metrics, shares)
    return [
        Spot(
            *(axes, column + 0.02, row + 0.02, words, (column + 0.98, row + 0.98)),
            link=f"#{cell_id(row, column)}" if (row, column) in linked else "",
        )
        for (row, column), words in zip(places, said, strict=True)
    ]


def _cells_in_words(metrics: Metrics, shares: list[list[float]]) -> list[str]:
    return [
        f"true {true}, predicted {predicted}: {metrics.confusion[row][column]:,} "
        f"({percent(shares[row][column])})"
        for row, true in enumerate(metrics.labels)
        for column, predicted in enumerate(metrics.labels)
    ]
