"""Heads whose margins are weighted sums: logistic regression and linear support vectors.

Here are also the links, which turn the margins of all heads into probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError, nearest
from spark_cxr.heads.portable.arrays import check_array
from spark_cxr.heads.portable.stages import Stage, matrix, vector

Floats = NDArray[np.float64]

SVC_SLOPE = 3.0
"""Margins of support vectors lie about ±1, where the logistic function is far too modest: of the
slopes 1, 2, 3, 4 and 6 this one gave the least log loss and calibration error on two data sets."""


def softmax(margins: Floats) -> Floats:
    """Give shares in proportion to exp(margin), row by row."""
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def logistic(margins: Floats) -> Floats:
    """Give shares in proportion to the logistic function of each margin.

    Each class against the rest has a margin of its own; far from all classes every logistic
    function is next to nothing, so the shares are taken from the logarithms.
    """
    return softmax(np.minimum(margins, 0) - np.log1p(np.exp(-np.abs(margins))))


def share(votes: Floats) -> Floats:
    """Give shares in proportion to votes, which are not negative."""
    return np.asarray(votes / votes.sum(axis=1, keepdims=True))


LINKS = {"softmax": softmax, "logistic": logistic, "share": share}


def link(name: str, margins: Floats) -> Floats:
    """Turn margins into probabilities by the way that is named."""
    if name not in LINKS:
        raise ConfigError("a link of a portable head", name, nearest(name, tuple(LINKS)))
    return LINKS[name](margins)


def check_link(name: str) -> None:
    """Raise ValueError unless it is the name of a link."""
    if name not in LINKS:
        raise ValueError(f"the link {name[:20]!r}")


@dataclass(frozen=True)
class Linear:
    """A weight for each class and feature."""

    weights: Floats
    """(classes, features)"""
    bias: Floats
    """(classes,)"""
    link: str

    def check(self, features: int, classes: int) -> None:
        """Raise ValueError unless it is a head of so many features and classes."""
        check_array("weights", self.weights, (classes, features))
        check_array("bias", self.bias, (classes,))
        check_link(self.link)

    def margins(self, features: Floats) -> Floats:
        """Say how much speaks for each class, before it is made a probability."""
        return features @ self.weights.T + self.bias

    def probabilities(self, features: Floats) -> Floats:
        """Score feature vectors, one a row."""
        return link(self.link, self.margins(features))

    def gradients(self, features: Floats) -> Floats:
        """Give the slope of each class's margin by each feature: (films, classes, features)."""
        return np.broadcast_to(self.weights, (len(features), *self.weights.shape))


def read_logistic_regression(stages: Sequence[Stage]) -> Linear:
    """Read LogisticRegressionModel; of two classes the first has the margin 0."""
    saved = stages[0].row()
    weights, bias = matrix(saved["coefficientMatrix"]), vector(saved["interceptVector"])
    if not saved["isMultinomial"]:
        weights, bias = np.vstack([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return Linear(weights, bias, "softmax")


def read_linear_svc(stages: Sequence[Stage]) -> Linear:
    """Read LinearSVCModel, one for each class against the rest, or one for the second of two."""
    saved = [stage.row() for stage in stages]
    weights = np.stack([vector(row["coefficients"]) for row in saved])
    bias = np.array([row["intercept"] for row in saved], dtype=np.float64)
    if len(saved) == 1:
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    return Linear(SVC_SLOPE * weights, SVC_SLOPE * bias, "logistic")
