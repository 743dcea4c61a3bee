"""How a model's probabilities become answers: recalibration, operating points, and verdicts.

What the head says stays what margins, gradients and maps are of. Where training has found that the
probabilities of films which the head has not learned from are off, they are put right here. An
operating point says from which probability on a class is taken to be there. Where there are sets,
each label of a film is ruled in, ruled out, or neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spark_cxr.metrics.conformal import ConformalSets
from spark_cxr.metrics.isotonic import Steps
from spark_cxr.metrics.operating_points import SENSITIVITY, SPECIFICITY, OperatingPoint
from spark_cxr.metrics.recalibration import ISOTONIC, TEMPERATURE, Recalibration

Floats = NDArray[np.float64]
HAIR = 1e-9
MOST_HEAT = 1e3
"""Temperatures and shifts beyond it come from no training."""


@dataclass(frozen=True)
class Decision:
    """How probabilities become answers; what training leaves and model.json keeps."""

    recalibration: Recalibration | None = None
    points: tuple[OperatingPoint, ...] = ()
    """Of the labels for which one was wanted; in a model of findings they are its `thresholds`."""
    sets: ConformalSets | None = None
    films: int = 0
    """Training films from which it was learned, none of which the head had learned from then."""
    patients: int = 0

    @property
    def coverage(self) -> float:
        """Give the share of films of each label for which it is not ruled out; 0: no sets."""
        return self.sets.coverage if self.sets else 0.0

    @property
    def thresholds(self) -> dict[str, float]:
        """Give the operating points by label."""
        return {point.label: point.threshold for point in self.points}

    @property
    def keeps_order(self) -> bool:
        """Tell whether the most probable class of a film is that of the head for sure."""
        found = self.recalibration
        return found is None or (found.kind == TEMPERATURE and len(found.temperature) == 1)

    def __bool__(self) -> bool:
        """Tell whether it says anything."""
        return bool(self.recalibration or self.points or self.sets)

    def renamed(self, names: Mapping[str, str]) -> Decision:
        """Give the same for labels that go by other names."""
        points = tuple(replace(point, label=names[point.label]) for point in self.points)
        return replace(self, points=points, sets=self.sets.renamed(names) if self.sets else None)

    def probabilities(self, stated: Floats, independent: bool) -> Floats:
        """Recalibrate what a head says (films, labels); `independent`: of findings."""
        if self.recalibration is None:
            return stated
        with np.errstate(over="ignore"):
            return self.recalibration.apply(stated, independent)

    def verdicts(self, probabilities: Floats, labels: Sequence[str]) -> dict[str, str]:
        """Say of each label of one film whether it is ruled in, ruled out, or neither.

        Args:
            probabilities: Of one film, recalibrated, in the order of `labels`.
            labels: Those of the model.
        """
        if self.sets is None:
            return {}
        (found,) = self.sets.verdicts(probabilities[None]).tolist()
        return dict(zip(labels, found, strict=True))


NO_DECISION = Decision()
"""Of a model that answers as its head does."""


def is_sound(decision: Decision, labels: Sequence[str], of_findings: bool) -> bool:
    """Tell whether a decision that was read from outside can be that of these labels."""
    recalibration, sets = decision.recalibration, decision.sets
    return (
        bool(decision)
        and (recalibration is None or _is_recalibration(recalibration, len(labels), of_findings))
        and _are_points(decision.points, labels)
        and (sets is None or _are_sets(sets, labels, of_findings))
        and min(decision.films, decision.patients) >= 0
    )


def _is_recalibration(found: Recalibration, labels: int, of_findings: bool) -> bool:
    heats, shifts = found.temperature, found.shift
    if found.kind == ISOTONIC:
        is_plain = not heats and not shifts
        return is_plain and len(found.steps) == labels and all(map(_is_curve, found.steps))
    counts = (labels, labels) if of_findings else (1, 0)
    return (
        found.kind == TEMPERATURE
        and not found.steps
        and (len(heats), len(shifts)) == counts
        and all(1 / MOST_HEAT <= heat <= MOST_HEAT for heat in heats)
        and all(abs(shift) <= MOST_HEAT for shift in shifts)
    )


def _is_curve(steps: Steps) -> bool:
    """Tell a rising curve of shares."""
    if len(steps.at) != len(steps.to) or not steps.at:
        return False
    at, to = np.asarray(steps.at), np.asarray(steps.to)
    return bool(
        _are_shares((*steps.at, *steps.to)) and (np.diff(at) > 0).all() and (np.diff(to) >= 0).all()
    )


def _are_points(points: Sequence[OperatingPoint], labels: Sequence[str]) -> bool:
    names = [point.label for point in points]
    return (
        len(names) == len(set(names))
        and set(names) <= set(labels)
        and all(point.target in (SENSITIVITY, SPECIFICITY) for point in points)
        and _are_shares([share for point in points for share in (point.threshold, point.wanted)])
    )


def _are_sets(sets: ConformalSets, labels: Sequence[str], of_findings: bool) -> bool:
    others = tuple(sets.absent), tuple(sets.absent_counts)
    wanted = (tuple(labels),) * 2 if of_findings else ((), ())
    limits = [*sets.limits.values(), *sets.absent.values()]
    return (
        0 < sets.coverage < 1
        and (tuple(sets.limits), tuple(sets.counts)) == (tuple(labels),) * 2
        and others == wanted
        and _are_shares([limit for limit in limits if limit is not None])
    )


def _are_shares(numbers: Sequence[float]) -> bool:
    return all(-HAIR <= number <= 1 + HAIR for number in numbers)
