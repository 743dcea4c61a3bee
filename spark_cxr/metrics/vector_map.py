"""Vectors of films → a map in two dimensions, and how far it may be believed.

The map is an exact t-SNE (van der Maaten and Hinton, JMLR 2008) of the angles between vectors that
starts from their first two principal components. There is no chance in it: the same vectors give
the same map, and films with one vector lie in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
AnyFloat = TypeVar("AnyFloat", np.float32, np.float64)

NEAREST = 10
"""Films around a film that are counted."""
FEWEST = 12
"""Films below which the principal components are the map."""
PERPLEXITY = 30.0
EXAGGERATION, EARLY, LATE = 12.0, 150, 350
"""By how much attraction is stronger in the first steps, how many these are, and the others."""
HALVINGS = 30
TINY = 1e-12


@dataclass(frozen=True)
class Likeness:
    """How often the nearest films of a film have what it has itself."""

    by: str
    """class, source"""
    share: float
    by_chance: float
    """The share among all films but itself."""


@dataclass(frozen=True)
class VectorMap:
    """Some films, where the vectors of one network put them."""

    backbone: str
    head: str
    """The best on these vectors, whose mistakes `predicted` shows; empty where none was tested."""
    films: int
    """Of the test, or in all, of which these were drawn by lot."""
    places: tuple[tuple[float, float], ...]
    """Each from 0 to 1; one unit is as long across as up."""
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    """Empty without a head."""
    sources: tuple[str | None, ...]
    kept: float
    """Share of the films nearest by angle that are also among the nearest on the map."""
    near: tuple[Likeness, ...]
    """By angle, not on the map."""


def vector_map(
    vectors: ArrayLike,
    labels: Sequence[str],
    predicted: Sequence[str],
    sources: Sequence[str | None],
    *,
    backbone: str,
    head: str,
    films: int,
) -> VectorMap:
    """Put films on a map, and count what is near to what; `films` is how many there are in all."""
    cosines = cosines_of(vectors)
    places = flat(cosines)
    nearest = _nearest(cosines)
    by = {"class": labels, "source": sources}
    return VectorMap(
        backbone=backbone,
        head=head,
        films=films,
        places=tuple((float(x), float(y)) for x, y in np.round(_in_square(places), 4)),
        labels=tuple(labels),
        predicted=tuple(predicted),
        sources=tuple(sources),
        kept=_kept(nearest, _nearest(-_squared_distances(places))),
        near=tuple(_likeness(name, nearest, values) for name, values in by.items()),
    )


def cosines_of(vectors: ArrayLike) -> Floats:
    """Give the cosine of each vector with each other; one without any length has none, so 0."""
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    cosines: Floats = np.clip(rows @ rows.T, -1.0, 1.0)
    return cosines


def flat(cosines: Floats) -> Floats:
    """Put films on a plane, so that those with a high cosine come to lie beside each other."""
    start = _principal(cosines)
    if len(start) < FEWEST or not start.any():
        return start
    attraction = _attraction(np.maximum(0.0, 2 - 2 * cosines))
    return _settled(attraction, start / start.std() * 1e-4)


def _principal(cosines: Floats) -> Floats:
    """Give the first two principal components of the directions, from their inner products."""
    n = len(cosines)
    means = cosines.mean(axis=0)
    centred = cosines - means - means[:, None] + means.mean()
    found, axes = np.linalg.eigh(centred)
    places = np.zeros((n, 2))
    for place, column in enumerate(range(n - 1, max(-1, n - 3), -1)):
        if found[column] > TINY * n:
            axis = axes[:, column]
            sign = np.sign(axis[np.abs(axis).argmax()])  # either would be right
            places[:, place] = sign * axis * np.sqrt(found[column])
    return places


def _attraction(squared: Floats) -> Floats:
    """Give the share of attraction of each pair: near films attract, alike in dense and thin parts.

    How far a film looks is found by halving, for all films at once, so that its neighbours count
    as many as `PERPLEXITY` says.
    """
    n = len(squared)
    wanted = np.log(min(PERPLEXITY, (n - 1) / 3))
    rows = squared / max(float(squared.mean()), TINY)
    np.fill_diagonal(rows, np.inf)
    # A row whose nearest is far away would vanish altogether: only differences count.
    rows -= rows.min(axis=1, keepdims=True)
    low, high = np.full((n, 1), -20.0), np.full((n, 1), 30.0)  # logarithms
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        shares = _shares(rows, np.exp(middle))
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        is_wide = -(shares * logs).sum(axis=1, keepdims=True) > wanted
        low, high = np.where(is_wide, middle, low), np.where(is_wide, high, middle)
    shares = _shares(rows, np.exp((low + high) / 2))
    both: Floats = np.maximum((shares + shares.T) / (2 * n), TINY)
    return both


def _shares(rows: Floats, sharpness: Floats) -> Floats:
    weights: Floats = np.exp(-rows * sharpness)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _settled(attraction: Floats, places: Floats) -> Floats:
    """Let films attract and push each other until they have settled.

    The matrices are in 32 bits and written over: half the time goes into moving them. Sums are not
    left to BLAS, whose last bits, and idle threads, depend on the number of cores.
    """
    rate = max(50.0, len(places) / EXAGGERATION / 4)
    late = attraction.astype(np.float32)
    early, pull = late * np.float32(EXAGGERATION), np.empty_like(late)
    speed, gains = np.zeros_like(places), np.ones_like(places)
    for step in range(EARLY + LATE):
        near = _squared_distances(places.astype(np.float32))
        near += 1
        np.reciprocal(near, out=near)
        np.fill_diagonal(near, 0.0)
        np.multiply(near, -1 / near.sum(dtype=np.float64), out=pull, casting="same_kind")
        pull += early if step < EARLY else late
        pull *= near
        moved = [np.einsum("ij,j->i", pull, column) for column in places.astype(np.float32).T]
        slope = 4 * (pull.sum(axis=1, keepdims=True) * places - np.stack(moved, axis=1))
        turns = np.sign(slope) == np.sign(speed)
        gains = np.maximum(np.where(turns, gains * 0.8, gains + 0.2), 0.01)
        speed = (0.5 if step < EARLY else 0.8) * speed - rate * gains * slope
        places = places + speed
        places = places - places.mean(axis=0)
    return places


def _squared_distances(places: NDArray[AnyFloat]) -> NDArray[AnyFloat]:
    across, up = (places[:, axis, None] - places[:, axis] for axis in (0, 1))
    across *= across
    up *= up
    across += up
    return across


def _in_square(places: Floats) -> Floats:
    """Shift and scale into the unit square, alike in both directions."""
    low, high = places.min(axis=0), places.max(axis=0)
    if high[1] - low[1] > high[0] - low[0]:  # wide takes less of a page than high
        places, low, high = places[:, ::-1], low[::-1], high[::-1]
    span = float((high - low).max()) or 1.0
    square: Floats = (places - (low + high) / 2) / span + 0.5
    return square


def _nearest(likeness: Floats) -> NDArray[np.int64]:
    """Give the nearest films of each, itself left out; of equals the first."""
    others = likeness.copy()
    np.fill_diagonal(others, -np.inf)
    most = min(NEAREST, len(others) - 1)
    return np.argsort(-others, axis=1, kind="stable")[:, :most]


def _kept(near: NDArray[np.int64], on_map: NDArray[np.int64]) -> float:
    if not near.size:
        return 1.0
    both = (near[:, :, None] == on_map[:, None, :]).any(axis=2)
    return float(both.mean())


def _likeness(by: str, near: NDArray[np.int64], values: Sequence[str | None]) -> Likeness:
    """Count films with the same value nearby; one whose value is not known is not asked."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    known = np.array([value is not None for value in values])
    if not known.any() or not near.size:
        return Likeness(by, 0.0, 0.0)
    numbers = np.array([codes[value] for value in values])
    alike = numbers[near][known] == numbers[known][:, None]
    others = (np.bincount(numbers)[numbers[known]] - 1) / (len(values) - 1)
    return Likeness(by, float(alike.mean()), float(others.mean()))
