"""Heads whose margins are weighted sums: logistic regression and linear support vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spark_cxr.heads.portable.links import Floats, link
from spark_cxr.heads.portable.stages import Stage, matrix, vector

SVC_SLOPE = 3.0
"""Margins of support vectors lie about ±1, where the logistic function is far too modest: of the
slopes 1, 2, 3, 4 and 6 this one gave the least log loss and calibration error on two data sets."""


@dataclass(frozen=True)
class Linear:
    """A weight for each class and feature."""

    weights: Floats
    """(classes, features)"""
    bias: Floats
    """(classes,)"""
    link: str

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
