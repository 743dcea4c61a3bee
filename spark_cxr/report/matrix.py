"""The confusion matrix as a picture: counts, and the share of each row that they are."""

import textwrap
from typing import TYPE_CHECKING, Any

from spark_cxr.metrics import Metrics
from spark_cxr.metrics.wording import percent, printable
from spark_cxr.report.plots import COLOURS, RIGHT, WIDTH, add_axes
from spark_cxr.report.svg import draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_confusion(metrics: Metrics) -> str:
    """Draw the confusion matrix: counts, and the share of each row that they are."""
    names = [_wrapped(label) for label in metrics.labels]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in metrics.confusion]
    left, bottom = _label_room(names)
    size = (WIDTH, left + bottom + 0.78 * (WIDTH - left - RIGHT))

    def pen(figure: "Figure") -> None:
        axes = add_axes(figure, size, left=left + 22, bottom=bottom + 22)
        _fill_cells(axes, metrics.confusion, shares)
        _name_cells(axes, names)

    return draw("confusion", "Confusion matrix", _confusion_in_words(metrics, shares), size, pen)


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
            axes.text(y=row + 0.53, s=share, va="top", fontsize=9 if k < 5 else 7, **middle)


def _name_cells(axes: "Axes", names: list[str]) -> None:
    middles = [place + 0.5 for place in range(len(names))]
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0))
    axes.set_xticks(middles, names, **_tilt(names))
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


def _wrapped(label: str) -> str:
    """Break a label into at most two lines that fit beside the matrix."""
    plain = printable(label)
    return "\n".join(textwrap.wrap(plain, 14, max_lines=2, placeholder="…")) or "–"


def _confusion_in_words(metrics: Metrics, shares: list[list[float]]) -> str:
    return "; ".join(
        f"true {true}, predicted {predicted}: {metrics.confusion[row][column]:,} "
        f"({percent(shares[row][column])})"
        for row, true in enumerate(metrics.labels)
        for column, predicted in enumerate(metrics.labels)
    )
