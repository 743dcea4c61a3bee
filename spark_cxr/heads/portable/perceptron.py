"""The network of dense layers on standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.layers import Layers
from spark_cxr.heads.portable.links import Floats
from spark_cxr.heads.portable.stages import Stage, vector


@dataclass(frozen=True)
class Perceptron(Layers):
    """Dense layers with logistic units, the last one with softmax."""

    mean: Floats
    scale: Floats
    """One over the standard deviation; 0 for a feature that never changes."""
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def entering(self, features: Floats) -> Floats:
        """Standardise the features."""
        return (features - self.mean) * self.scale

    def unit(self, sums: Floats) -> Floats:
        """Take the logistic function."""
        return _logistic(sums)

    def slope(self, values: Floats) -> Floats:
        """Give its slope, which its value tells."""
        return values * (1 - values)

    def gradients(self, features: Floats) -> Floats:
        """Give the slopes by the features as they are, before they are standardised."""
        return np.asarray(super().gradients(features) * self.scale)


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
