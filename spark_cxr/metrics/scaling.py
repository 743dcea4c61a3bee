"""One or two numbers that put stated probabilities right: temperature, and Platt's line."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spark_cxr.metrics.calibration import FLOOR
from spark_cxr.metrics.sample import Flags, Floats

HOTTEST = 20.0
"""No temperature is above this, or below one by it: heads without a mistake have no best one."""
HALVINGS = 60
"""Of the range of temperatures: finer than a double can say."""
NEWTON = 50
"""Steps at most; ten are usual."""
SETTLED = 1e-12
CERTAIN = 1 - FLOOR


def log_odds(stated: Floats) -> Floats:
    """Give log(p / (1 - p)), finite for 0 and 1 too."""
    inside = np.clip(stated, FLOOR, CERTAIN)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def from_log_odds(odds: Floats) -> Floats:
    """Give the probability of log odds of any size."""
    return np.asarray(np.exp(-np.logaddexp(0, -odds)))


def heat(logs: Floats, inverse: float) -> Floats:
    """Raise probabilities, of which these are the logarithms, to a power; rows add up to 1."""
    powers = np.exp((logs - logs.max(axis=1, keepdims=True)) * inverse)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def best_temperature(logs: Floats, truth: NDArray[np.int_]) -> float:
    """Give the temperature with the least log loss.

    The loss is convex in its inverse, so its slope is halved down to where it is 0.
    """
    own = logs[np.arange(len(logs)), truth]

    def is_rising(inverse: float) -> bool:
        return bool(((heat(logs, inverse) * logs).sum(axis=1) - own).mean() > 0)

    return 1 / _halve(is_rising)


def _halve(is_above: Callable[[float], bool]) -> float:
    low, high = -np.log(HOTTEST), np.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(float(np.exp(middle))) else (middle, high)
    return float(np.exp((low + high) / 2))


def best_line(odds: Floats, positive: Flags) -> tuple[float, float]:
    """Give temperature and shift of a finding's log odds: Platt's scaling, by Newton's method.

    A finding has a shift besides, because a head that was trained with balanced weights states
    too much of a rare finding everywhere, which no temperature puts right. Where higher odds
    mean fewer positives, the finding stays as it is: turning it round would be another head.
    """
    hits, others = positive.sum(), (~positive).sum()
    # Platt's targets: a whole patient short of certainty, so that a best line always exists.
    goal = np.where(positive, (hits + 1) / (hits + 2), 1 / (others + 2))
    columns = np.stack([odds, np.ones_like(odds)], axis=1)
    line = np.array([1.0, 0.0])
    for _ in range(NEWTON):
        line, step = _newton(columns, goal, line)
        if step < SETTLED:
            break
    slope = float(line[0])
    if slope <= 1 / HOTTEST:
        return 1.0, 0.0
    return 1 / min(slope, HOTTEST), float(line[1])


def _newton(columns: Floats, goal: Floats, line: Floats) -> tuple[Floats, float]:
    """Go one step downhill, halved until the loss falls; give the line and the step's length."""

    def loss(each: Floats) -> float:
        at = columns @ each
        return float((np.logaddexp(0, at) - goal * at).sum())

    stated = from_log_odds(columns @ line)
    slope = columns.T @ (stated - goal)
    bend = (columns * (stated * (1 - stated))[:, None]).T @ columns + SETTLED * np.eye(2)
    step, before = np.linalg.solve(bend, slope), loss(line)
    while np.abs(step).max() > SETTLED and loss(line - step) > before:
        step = step / 2
    return line - step, float(np.abs(step).max())
