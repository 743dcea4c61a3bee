"""How accuracy grows with the number of training films."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spark_cxr.metrics.records import Interval, Metrics


@dataclass(frozen=True)
class LearningPoint:
    """One size of training set, on the same test films as every other."""

    n_train: int
    accuracy: float
    interval: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self)


def learning_curve(measured: Sequence[tuple[int, Metrics]]) -> tuple[LearningPoint, ...]:
    """Make a curve of (training images, what was measured), the smallest training first."""
    return tuple(
        LearningPoint(n_train, metrics.accuracy, metrics.intervals.accuracy)
        for n_train, metrics in sorted(measured, key=lambda each: each[0])
    )
