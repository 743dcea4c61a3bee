"""The pictures of several findings: AUCs beside frequencies, curves in a row, pairs of findings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spark_cxr.metrics.finding_records import CoOccurrence, Estimate, FindingFigures
from spark_cxr.metrics.finding_wording import GUESS
from spark_cxr.metrics.records import Band
from spark_cxr.metrics.wording import decimal, decimal_range, percent
from spark_cxr.report.names import in_lines, shortened
from spark_cxr.report.plots import COLOURS, WIDTH, add_axes, precision_spots, trust_spots
from spark_cxr.report.roc_axes import RocAxes
from spark_cxr.report.svg import INK, Spot, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LANE = 21.0
"""Points for one finding."""
NAMES = 104.0
BARS = 84.0
PANEL = 78.0
"""Points for a side of a small curve."""
GAP = 28.0
FEW = 12
"""Spots along a small curve."""
TINT = 0.55
"""Of a full cell; text in either ink stays readable on it."""


def draw_aucs(rows: Sequence[FindingFigures]) -> str:
    """Draw the AUC of each finding with its interval, and beside it how many films have it.

    Args:
        rows: From the top down.
    """
    size = (WIDTH, LANE * len(rows) + 46.0)
    said = [
        f"{row.finding}: AUC {decimal(row.figures.auc.value)} "
        f"({decimal_range(row.figures.auc.interval)}), {row.positives:,} of {row.known:,} films"
        for row in rows
    ]

    def pen(figure: "Figure") -> list[Spot]:
        left = add_axes(figure, size, left=NAMES, right=BARS + 8, top=6)
        _name_lanes(left, rows, "AUC", _room([row.figures.auc for row in rows]))
        left.axvline(GUESS, color=INK, alpha=0.4, linewidth=0.8)
        for place, row in enumerate(rows):
            _draw_dot(left, row.figures.auc, place + 0.5)
        right = add_axes(figure, size, left=WIDTH - BARS, right=4, top=6)
        _draw_counts(right, rows)
        return _dot_spots(left, [row.figures.auc for row in rows], said)

    title = "AUC of each finding with its interval, beside the films that have it"
    return draw("aucs", title, "; ".join(said), size, pen)


def draw_precisions(rows: Sequence[FindingFigures]) -> str:
    """Draw the average precision of each finding with its interval, and what guessing reaches.

    Args:
        rows: From the top down.
    """
    size = (WIDTH, LANE * len(rows) + 46.0)
    said = [
        f"{row.finding}: average precision {decimal(row.figures.average_precision.value)} "
        f"({decimal_range(row.figures.average_precision.interval)}), "
        f"guessing {decimal(row.prevalence)}"
        for row in rows
    ]

    def pen(figure: "Figure") -> list[Spot]:
        axes = add_axes(figure, size, left=NAMES, right=16, top=6)
        _name_lanes(axes, rows, "Average precision", (0.0, 1.005))
        for place, row in enumerate(rows):
            _draw_dot(axes, row.figures.average_precision, place + 0.5)
            if row.prevalence is not None:
                stroke = axes.plot([row.prevalence], [place + 0.5], "|", clip_on=False)
                stroke[0].set(color=COLOURS[1], markersize=9, markeredgewidth=1.8)
        return _dot_spots(axes, [row.figures.average_precision for row in rows], said)

    title = "Average precision of each finding with its interval, and what guessing reaches"
    return draw("precisions", title, "; ".join(said), size, pen)


def draw_curves(row: FindingFigures, place: int) -> str:
    """Draw ROC, precision against recall and calibration of one finding in a row.

    Args:
        row: The finding.
        place: Keeps its drawing apart from the others of the page.
    """
    size = (WIDTH, PANEL + 42.0)
    figures = row.figures
    words = (
        f"AUC {decimal(figures.auc.value)}, average precision "
        f"{decimal(figures.average_precision.value)}, calibration error {percent(row.ece)}; at the "
        f"operating point sensitivity {percent(figures.sensitivity.value)}, specificity "
        f"{percent(figures.specificity.value)}"
    )

    def pen(figure: "Figure") -> list[Spot]:
        across = (("1 − specificity", "Sensitivity"), ("Recall", "Precision"), ("Said", "Found"))
        panels = [
            add_axes(
                figure,
                size,
                left=32 + number * (PANEL + GAP),
                right=WIDTH - 32 - number * (PANEL + GAP) - PANEL,
                top=8,
                bottom=34,
            )
            for number in range(3)
        ]
        for axes, (below, beside) in zip(panels, across, strict=True):
            _small_square(axes, below, beside)
        drawn = (_draw_roc, _draw_precision, _draw_calibration)
        return [spot for pen, axes in zip(drawn, panels, strict=True) for spot in pen(axes, row)]

    return draw(f"curves-{place}", f"Curves of {row.finding}", words, size, pen)


def draw_pairs(names: Sequence[str], counts: Sequence[int], pairs: CoOccurrence, which: str) -> str:
    """Draw how often the finding of a column goes along with that of a row.

    Args:
        names: Of the findings.
        counts: Films with each of them.
        pairs: Of the same findings.
        which: "truth" or "answers": what the films have, or what was said of them.
    """
    many = len(names)
    square = WIDTH - NAMES - 30.0
    size = (WIDTH, square + NAMES - 10.0)
    words = "; ".join(f"{name}: {count:,} films" for name, count in zip(names, counts, strict=True))

    def pen(figure: "Figure") -> None:
        axes = add_axes(figure, size, left=NAMES + 26, right=4, top=NAMES - 14, bottom=4)
        axes.set(xlim=(0, many), ylim=(many, 0))
        middles = [place + 0.5 for place in range(many)]
        beside = [shortened(name.replace("_", " "), 20) for name in names]
        rows = [f"{name} {count:,}" for name, count in zip(beside, counts, strict=True)]
        axes.set_yticks(middles, rows, fontsize=8)
        axes.xaxis.tick_top()
        # Upright there is less room than to the left.
        upright = [shortened(name.replace("_", " "), 16) for name in names]
        axes.set_xticks(middles, upright, fontsize=8, rotation=90)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        _fill_pairs(axes, pairs)

    return draw(f"pairs-{which}", f"Findings that go together: {which}", words, size, pen)


def _dot_spots(axes: "Axes", found: Sequence[Estimate], words: Sequence[str]) -> list[Spot]:
    places = enumerate(zip(found, words, strict=True))
    return [
        Spot(axes, each.value, place + 0.5, said)
        for place, (each, said) in places
        if each.value is not None
    ]


def _name_lanes(
    axes: "Axes", rows: Sequence[FindingFigures], what: str, ends: tuple[float, float]
) -> None:
    axes.set(ylim=(len(rows), 0), xlim=ends, xlabel=what)
    names = [in_lines(row.finding.replace("_", " "), 19) for row in rows]
    axes.set_yticks([place + 0.5 for place in range(len(rows))], names, fontsize=8.5)
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set(fontsize=7.5 if "\n" in name else 8.5, linespacing=0.95)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.8)


def _draw_dot(axes: "Axes", found: Estimate, height: float) -> None:
    if found.value is None:
        axes.text(axes.get_xlim()[0], height, " not defined", va="center", fontsize=8, alpha=0.7)
        return
    if found.interval is not None:
        ends = [found.interval.low, found.interval.high]
        axes.plot(ends, [height] * 2, color=COLOURS[0], linewidth=2, solid_capstyle="butt")
    axes.plot([found.value], [height], "o", color=COLOURS[0], markersize=5.5, clip_on=False)


def _draw_counts(axes: "Axes", rows: Sequence[FindingFigures]) -> None:
    most = max((row.prevalence or 0.0 for row in rows), default=0.0) or 1.0
    axes.set(ylim=(len(rows), 0), xlim=(0, 1), xlabel="Films with it")
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    for place, row in enumerate(rows):
        share = (row.prevalence or 0.0) / most
        axes.barh(place + 0.74, share, 0.28, color=COLOURS[1], alpha=0.75)
        text = f"{row.positives:,} · {percent(row.prevalence)}"
        axes.text(0, place + 0.5, text, va="bottom", fontsize=8)


def _draw_roc(axes: "Axes", row: FindingFigures) -> list[Spot]:
    curve, figures = row.curves.roc, row.figures
    wanted = RocAxes.of([curve], [figures.auc.value])
    if wanted.is_logarithmic:
        wanted.stretch(axes, 7)
        axes.set(xlabel="1 − specificity, log", ylabel="Sensitivity, log")
    wanted.guess(axes, 0.35)
    if curve is None or figures.sensitivity.value is None or figures.specificity.value is None:
        return []
    axes.plot(*wanted.places(curve), color=COLOURS[0], linewidth=1.3)
    if not wanted.is_logarithmic:
        _shade(axes, curve.band)
    point = wanted.across(1 - figures.specificity.value), wanted.height(figures.sensitivity.value)
    axes.plot(*point, "o", color=COLOURS[1], markersize=4.5, clip_on=False)
    return wanted.spots(axes, row.finding, curve, FEW)


def _draw_precision(axes: "Axes", row: FindingFigures) -> list[Spot]:
    curve, figures = row.curves.precision_recall, row.figures
    if curve is None:
        return []
    axes.plot([0, 1], [curve.prevalence] * 2, color=INK, alpha=0.35, linewidth=0.7)
    recall, precision = (0.0, *curve.recall), (curve.precision[0], *curve.precision)
    axes.plot(recall, precision, color=COLOURS[0], linewidth=1.3, drawstyle="steps-pre")
    _shade(axes, curve.band)
    if figures.ppv.value is not None and figures.sensitivity.value is not None:
        point = (figures.sensitivity.value, figures.ppv.value)
        axes.plot(*point, "o", color=COLOURS[1], markersize=4.5, clip_on=False)
    return precision_spots(axes, row.finding, curve, FEW)


def _draw_calibration(axes: "Axes", row: FindingFigures) -> list[Spot]:
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.7)
    curve = row.curves.reliability
    if curve is None:
        return []
    bins = [
        (said, found, count)
        for said, found, count in zip(curve.confidence, curve.right, curve.counts, strict=True)
        if said is not None and found is not None
    ]
    whole = sum(curve.counts)
    said, found, counts = zip(*bins, strict=True)
    axes.plot(said, found, color=COLOURS[0], linewidth=0.9, alpha=0.6)
    sizes = [8 + 50 * (count / whole) ** 0.5 for count in counts]
    axes.scatter(said, found, s=sizes, color=COLOURS[0], linewidth=0, clip_on=False)
    return trust_spots(axes, curve)


def _shade(axes: "Axes", band: Band | None) -> None:
    if band is not None:
        axes.fill_between(band.at, band.low, band.high, color=COLOURS[0], alpha=0.15, linewidth=0)


def _small_square(axes: "Axes", across: str, up: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=8)
    axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=8)
    axes.set_xlabel(across, fontsize=8, labelpad=2)
    axes.set_ylabel(up, fontsize=8, labelpad=1)
    axes.grid(color=INK, alpha=0.1, linewidth=0.6)
    axes.set_axisbelow(True)


def _fill_pairs(axes: "Axes", pairs: CoOccurrence) -> None:
    """Tint each cell by its share; a finding always goes along with itself, so that stays empty."""
    from matplotlib.patches import Rectangle

    size = max(4.5, min(8.5, 100 / len(pairs.counts)))
    for row, shares in enumerate(pairs.shares):
        for column, share in enumerate(shares):
            if row == column or share is None:
                continue
            cell = Rectangle((column + 0.04, row + 0.04), 0.92, 0.92, facecolor=COLOURS[0])
            cell.set(alpha=0.03 + TINT * share, linewidth=0)
            axes.add_patch(cell)
            place = (column + 0.5, row + 0.54)
            axes.text(*place, f"{100 * share:.0f}", ha="center", va="center", fontsize=size)


def _room(found: Sequence[Estimate]) -> tuple[float, float]:
    """Give the ends of the axis: guessing, all that is drawn, and a little air."""
    low = [each.interval.low for each in found if each.interval is not None]
    low += [each.value for each in found if each.value is not None]
    return max(0.0, min([0.48, *(end - 0.02 for end in low)])), 1.005
