"""The rising curve that fits best: isotonic regression by pooling adjacent violators."""

from dataclasses import dataclass

import numpy as np

from spark_cxr.metrics.sample import Floats


@dataclass(frozen=True)
class Steps:
    """A rising curve: straight between its points, flat outside them."""

    at: tuple[float, ...]
    to: tuple[float, ...]

    def apply(self, values: Floats) -> Floats:
        """Read the curve at each value."""
        return np.interp(values, self.at, self.to)


UNCHANGED = Steps((0.0, 1.0), (0.0, 1.0))
"""The curve that leaves a probability as it is."""


def isotonic(stated: Floats, found: Floats) -> Steps:
    """Fit the rising curve with the least squared distance from `found`.

    Equal values of `stated` count as one point, with the mean of what was found there. Of each
    level of the fit its first and its last point are kept.
    """
    at, place, many = np.unique(stated, return_inverse=True, return_counts=True)
    sums = np.bincount(place, weights=found, minlength=len(at))
    fitted = _pool(sums / many, many.astype(np.float64))
    same = np.diff(fitted) == 0
    kept = np.ones(len(at), dtype=bool)
    kept[1:-1] = ~(same[1:] & same[:-1])
    return Steps(tuple(at[kept].tolist()), tuple(fitted[kept].tolist()))


def _pool(values: Floats, weights: Floats) -> Floats:
    """Merge neighbours, with their weighted mean, until no value is below the one before it."""
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, length = value, weight, 1
        while means and means[-1] >= mean:
            total = masses[-1] + mass
            mean = (means.pop() * masses[-1] + mean * mass) / total
            length += lengths.pop()
            mass = total
            masses.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
    return np.repeat(np.asarray(means), lengths)
