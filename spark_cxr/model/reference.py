"""What the training films look like to the network, so that a film unlike them can be told apart.

The features of the training are described by their mean, their main axes and one spread for all
that is left (probabilistic PCA, Tipping & Bishop 1999). How far a film may lie from that is not
guessed: each training film is measured against a description that was made without its patient,
and 1 is the distance within which all but `false_alarms` of them lie.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.arrays import check_array, check_range, read_arrays

Numbers = NDArray[np.float64]

AXES = 64
"""With SqueezeNet features of 2,275 films 16, 64 and 128 axes told photographs from films equally
well; 64 of 2,048 numbers are half a megabyte."""
FOLDS = 4
FEWEST = 8
"""Films below which nothing is said of how far others may lie."""
ROUNDS = 2
"""Of power iteration, enough for axes of spectra that fall as those of networks do."""


@dataclass(frozen=True)
class Cloud:
    """Feature vectors as a mean, main axes with their variances, and the variance of the rest."""

    mean: Numbers
    axes: Numbers
    """(axes, features), orthonormal."""
    variances: Numbers
    rest: float

    def distance(self, vector: Numbers) -> float:
        """Measure how far a vector lies, in standard deviations over all directions.

        One vector at a time: what a matrix product gives for a row may depend on the other rows.
        """
        away = vector - self.mean
        along = self.axes @ away
        beside = max(0.0, float(away @ away) - float(along @ along))
        return float(np.sqrt((along * along / self.variances).sum() + beside / self.rest))


@dataclass(frozen=True)
class Reference:
    """The training as a film is held against it; distances are in units of `limit`."""

    cloud: Cloud
    limit: float
    """The distance that all but `false_alarms` of the training's own films keep to; infinite where
    they were too few to say."""
    false_alarms: float
    far: float
    """Times the limit from which a model that refuses films unlike its training does."""
    distance: float
    """Mean over the training's films, each measured without its patient."""
    distance_spread: float
    shares: Mapping[str, float]
    """How often each label was predicted on films of the test."""
    confidence: float
    """Mean over the test."""
    confidence_spread: float
    refuses_unlike: float = 0.0
    """1: no class is named for a film beyond `far`."""
    most_colour: float = 1.0
    """Share of clearly coloured pixels beyond which no class is named; 1: colour is no reason."""

    def measure(self, vector: Numbers) -> float:
        """Give the distance of a vector; 0 where the training cannot say."""
        return self.cloud.distance(vector) / self.limit

    def pack(self) -> bytes:
        """Write it as npz, without pickle."""
        buffer = io.BytesIO()
        plain = {name: getattr(self, name) for name in _plain()}
        cloud = {name: getattr(self.cloud, name).astype(np.float32) for name in _ARRAYS}
        named = {
            "labels": np.array(list(self.shares), dtype=np.str_),
            "shares": np.array(list(self.shares.values()), dtype=np.float64),
        }
        stored: dict[str, Any] = {**cloud, **named, **plain, "rest": self.cloud.rest}
        np.savez_compressed(buffer, **stored)
        return buffer.getvalue()


_ARRAYS = ("mean", "axes", "variances")


def _plain() -> list[str]:
    return [item.name for item in fields(Reference) if item.type == "float"]


def unpack(data: bytes) -> Reference:
    """Read what `pack` has written."""
    try:
        arrays = read_arrays(data)
        mean, axes, variances = (arrays[name].astype(np.float64) for name in _ARRAYS)
        shares = zip(arrays["labels"].tolist(), arrays["shares"].tolist(), strict=True)
        # Models of before 2026-12 have `colour`, which refused tinted films, and lack the last two.
        plain = {name: float(arrays[name]) for name in _plain() if name in arrays}
        cloud = Cloud(mean, axes, variances, float(arrays["rest"]))
        return Reference(cloud, shares=dict(shares), **plain)
    except (ValueError, TypeError, KeyError) as error:
        received = f"reference.npz ({error})"
        raise InputError("the reference of a model", received, "Train again") from None


def check_reference(known: Reference, features: int, labels: Sequence[str]) -> None:
    """Refuse a reference of other features or labels, or by which no distance can be measured.

    Raises:
        InputError: It is one.
    """
    try:
        cloud, axes = known.cloud, (len(known.cloud.variances), features)
        for name, shape in (("mean", (features,)), ("axes", axes), ("variances", axes[:1])):
            check_array(name, getattr(cloud, name), shape)
        for name, (least, below) in _RANGES.items():
            check_range(name, np.asarray(getattr(known, name)), least, below)
        if not known.limit > 0:  # infinite where the training's films were too few to say
            raise ValueError(f"limit {known.limit}")
        check_range("rest and variances", np.append(cloud.variances, cloud.rest), _TINY, np.inf)
        if set(known.shares) != set(labels):
            raise ValueError("shares of other labels")
        check_range("shares", np.asarray(list(known.shares.values())), 0, _ONE)
    except ValueError as error:
        expected = f"a reference of {features} features and {len(labels)} labels"
        raise InputError(expected, f"reference.npz ({error})", "Train again") from None


_TINY, _ONE = np.nextafter(0, 1), 1 + 1e-6
_RANGES = {
    "false_alarms": (0, _ONE),
    "far": (0, np.inf),
    "refuses_unlike": (0, _ONE),
    "most_colour": (0, _ONE),
    "distance": (0, np.inf),
    "distance_spread": (0, np.inf),
    "confidence": (0, _ONE),
    "confidence_spread": (0, _ONE),
}
"""Least number, and the one that a number stays below."""


def describe(vectors: Numbers, seed: int = 0) -> Cloud:
    """Describe vectors, one a row; the axes are found by random projection (Halko et al. 2011)."""
    count, width = vectors.shape
    mean = vectors.mean(axis=0)
    away = vectors - mean
    total = float((away * away).sum()) / count
    wanted = min(AXES, count // 2, width - 1)
    draw = np.random.default_rng(seed).standard_normal((width, min(wanted + 16, width)))
    basis = away @ draw
    for _ in range(ROUNDS):
        basis = away @ (away.T @ np.linalg.qr(basis)[0])
    small = np.linalg.qr(basis)[0].T @ away
    _, lengths, axes = np.linalg.svd(small, full_matrices=False)
    variances = lengths[:wanted] ** 2 / count
    # A direction in which training never moved must not make a hair's breadth an infinity.
    least = max(total / width * 1e-3, np.finfo(np.float32).tiny)
    rest = max((total - float(variances.sum())) / (width - wanted), least)
    return Cloud(mean, axes[:wanted], np.maximum(variances, rest), rest)


def own_distances(vectors: Numbers, groups: Sequence[str], seed: int = 0) -> Numbers:
    """Measure each film against a description made without its own group of films.

    Groups go into folds in the order in which they come: their names are pseudonyms, and another
    key must not give another limit.
    """
    places = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    folds = np.array([places[group] % FOLDS for group in groups])
    found = []
    for fold in range(FOLDS):
        rest, held = vectors[folds != fold], vectors[folds == fold]
        if len(rest) >= FEWEST and len(held):
            cloud = describe(rest, seed)
            found += [cloud.distance(vector) for vector in held]
    return np.array(found)
