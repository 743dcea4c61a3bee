"""The network of dense layers on standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.links import Floats, softmax
from spark_cxr.heads.portable.stages import Stage, vector


@dataclass(frozen=True)
class Perceptron:
    """Dense layers with logistic units, the last one with softmax."""

    mean: Floats
    scale: Floats
    """One over the standard deviation; 0 for a feature that never changes."""
    weights: tuple[Floats, ...]
    """(inputs, outputs) of each layer."""
    biases: tuple[Floats, ...]

    def margins(self, features: Floats) -> Floats:
        """Say how much speaks for each class, before it is made a probability."""
        return self._layers(features)[-1] @ self.weights[-1] + self.biases[-1]

    def probabilities(self, features: Floats) -> Floats:
        """Score feature vectors, one a row."""
        return softmax(self.margins(features))

    def gradients(self, features: Floats) -> Floats:
        """Give the slope of each class's margin by each feature: (films, classes, features)."""
        slopes = np.broadcast_to(self.weights[-1].T, (len(features), *self.weights[-1].T.shape))
        layers = self._layers(features)[1:]
        for weights, values in zip(self.weights[-2::-1], reversed(layers), strict=True):
            slopes = (slopes * (values * (1 - values))[:, None]) @ weights.T
        return np.asarray(slopes * self.scale)

    def _layers(self, features: Floats) -> list[Floats]:
        """Give what goes into each layer: scaled features, then what the units before it say."""
        values = [(features - self.mean) * self.scale]
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values.append(_logistic(values[-1] @ weights + bias))
        return values


def _logistic(values: Floats) -> Floats:
    small = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1, small) / (1 + small))


def read_perceptron(stages: Sequence[Stage]) -> Perceptron:
    """Read StandardScalerModel and MultilayerPerceptronClassificationModel."""
    if [stage.kind for stage in stages[:-1]] != ["StandardScalerModel"]:
        received = ", ".join(stage.kind for stage in stages)
        raise InputError("a scaler before the perceptron", received, "Train again")
    scaler, layers = stages[0].row(), stages[1].params["layers"]
    flat, at = vector(stages[1].row()["weights"]), 0
    weights, biases = [], []
    for inputs, outputs in pairwise(layers):
        end = at + inputs * outputs
        weights.append(flat[at:end].reshape(inputs, outputs))
        biases.append(flat[end : end + outputs])
        at = end + outputs
    deviation = vector(scaler["std"])
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation != 0)
    return Perceptron(vector(scaler["mean"]), scale, tuple(weights), tuple(biases))
