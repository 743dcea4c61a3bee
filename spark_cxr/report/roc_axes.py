"""ROC curves on their axes: even ones, or logarithmic ones where a curve hugs the corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_cxr.metrics.records import RocCurve
from spark_cxr.metrics.wording import percent
from spark_cxr.report.svg import INK, Spot, spots_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CROWDED = 0.99
"""AUC above which a curve on even axes is a corner: there the axes become logarithmic."""
TICKS = (1.0, 0.1, 0.01, 0.001, 0.0001)
ACROSS_NAMES = ("1", ".1", ".01", ".001", ".0001")
UP_NAMES = ("0", ".9", ".99", ".999", ".9999")
LOGARITHMIC = (
    "Both axes are logarithmic, for an AUC is above 0.99: each step to the left has a tenth of the "
    "false alarms, each step up a tenth of the misses. A rate of none at all is drawn at the edge."
)


@dataclass(frozen=True)
class RocAxes:
    """How rates become places: as they are, or by logarithms down to the least that can be told."""

    is_logarithmic: bool
    least_alarms: float = 0.0
    least_misses: float = 0.0

    @classmethod
    def of(cls, curves: Sequence[RocCurve | None], aucs: Sequence[float | None]) -> RocAxes:
        """Choose axes for some curves."""
        if not any(auc is not None and auc > CROWDED for auc in aucs):
            return cls(False)
        known = [curve for curve in curves if curve is not None]
        alarms = [rate for curve in known for rate in curve.false_positive_rate]
        misses = [1 - rate for curve in known for rate in curve.true_positive_rate]
        return cls(True, _half_of_least(alarms), _half_of_least(misses))

    def places(self, curve: RocCurve) -> tuple[list[float], list[float]]:
        """Give a curve as it is drawn: across, and up (misses where that is logarithmic)."""
        across, up = [*curve.false_positive_rate], [*curve.true_positive_rate]
        if not self.is_logarithmic:
            return across, up
        return [max(self.least_alarms, rate) for rate in across], [self.height(r) for r in up]

    def height(self, sensitivity: float) -> float:
        """Give where a sensitivity is drawn."""
        if not self.is_logarithmic:
            return sensitivity
        return max(self.least_misses, 1 - sensitivity)

    def across(self, alarms: float) -> float:
        """Give where a false positive rate is drawn."""
        return max(self.least_alarms, alarms)

    def guess(self, axes: Axes, alpha: float = 0.4) -> None:
        """Draw what guessing reaches."""
        steps = [step / 200 for step in range(201)]
        across, up = self.places(RocCurve((0.0, *steps), (0.0, *steps)))
        axes.plot(across, up, color=INK, alpha=alpha, linewidth=0.8)

    def stretch(self, axes: Axes, size: float) -> None:
        """Make axes logarithmic, with ticks in rates."""
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set(xlim=(self.least_alarms, 1), ylim=(1, self.least_misses))
        for axis, names, least in (
            (axes.xaxis, ACROSS_NAMES, self.least_alarms),
            (axes.yaxis, UP_NAMES, self.least_misses),
        ):
            shown = [(tick, name) for tick, name in zip(TICKS, names, strict=True) if tick >= least]
            axis.set_ticks([tick for tick, _ in shown], [name for _, name in shown], fontsize=size)
            axis.set_ticks([], minor=True)
        axes.grid(color=INK, alpha=0.12, linewidth=0.8)
        axes.set_axisbelow(True)

    def spots(self, axes: Axes, label: str, curve: RocCurve, most: int = 24) -> list[Spot]:
        """Say along a curve what each of its points is."""
        words = [
            f"{label}, yes {_from(threshold)}: sensitivity {percent(hits)}, "
            f"specificity {percent(1 - alarms)}"
            for threshold, hits, alarms in zip(
                curve.thresholds, curve.true_positive_rate, curve.false_positive_rate, strict=True
            )
        ]
        return spots_along(axes, *self.places(curve), words, most)


def _half_of_least(rates: Sequence[float]) -> float:
    """Give half of the smallest rate that is told from none, 0.05 at most."""
    return min([0.1, *(rate for rate in rates if rate > 1e-9)]) / 2


def _from(threshold: float) -> str:
    return "never" if threshold > 1 else f"from {percent(threshold)} on"
