"""Heads of dense layers: the network of MLlib, and the head of a fine-tuned network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.arrays import check_array
from spark_cxr.heads.portable.linear import Floats, softmax
from spark_cxr.heads.portable.stages import Stage, vector


class Layers(ABC):
    """Dense layers, the last one with softmax."""

    weights: Any
    """(inputs, outputs) of each layer."""
    biases: Any

    def check(self, features: int, classes: int) -> None:
        """Raise ValueError unless it is a head of so many features and classes."""
        if len(self.weights) != len(self.biases):
            raise ValueError(f"{len(self.weights)} layers with {len(self.biases)} biases")
        units = [features, *(bias.size for bias in self.biases[:-1]), classes]
        for (inputs, outputs), weights, bias in zip(
            pairwise(units), self.weights, self.biases, strict=True
        ):
            check_array("weights", weights, (inputs, outputs))
            check_array("biases", bias, (outputs,))

    @abstractmethod
    def unit(self, sums: Floats) -> Floats:
        """Say what a unit makes of the sum that comes in."""

    @abstractmethod
    def slope(self, values: Floats) -> Floats:
        """Give the slope of a unit by its sum, from what it has made of it."""

    def entering(self, features: Floats) -> Floats:
        """Say what goes into the first layer."""
        return features

    def margins(self, features: Floats) -> Floats:
        """Say how much speaks for each class, before it is made a probability."""
        return np.asarray(self.before_last(features) @ self.weights[-1] + self.biases[-1])

    def before_last(self, features: Floats) -> Floats:
        """Give what goes into the last layer."""
        return self._layers(features)[-1]

    def probabilities(self, features: Floats) -> Floats:
        """Score feature vectors, one a row."""
        return softmax(self.margins(features))

    def gradients(self, features: Floats) -> Floats:
        """Give the slope of each class's margin by each feature: (films, classes, features)."""
        slopes = np.broadcast_to(self.weights[-1].T, (len(features), *self.weights[-1].T.shape))
        layers = self._layers(features)[1:]
        for weights, values in zip(self.weights[-2::-1], reversed(layers), strict=True):
            slopes = (slopes * self.slope(values)[:, None]) @ weights.T
        return np.asarray(slopes)

    def _layers(self, features: Floats) -> list[Floats]:
        """Give what goes into each layer."""
        values = [self.entering(features)]
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values.append(self.unit(values[-1] @ weights + bias))
        return values


@dataclass(frozen=True)
class Dense(Layers):
    """Dense layers with ReLU between them, the last one with softmax."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def unit(self, sums: Floats) -> Floats:
        """Let through what is above 0."""
        return np.maximum(sums, 0)

    def slope(self, values: Floats) -> Floats:
        """Be 1 where something came through."""
        return (values > 0).astype(np.float64)


@dataclass(frozen=True)
class Perceptron(Layers):
    """Dense layers with logistic units, the last one with softmax."""

    mean: Floats
    scale: Floats
    """One over the standard deviation; 0 for a feature that never changes."""
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def check(self, features: int, classes: int) -> None:
        """Raise ValueError unless it is a head of so many features and classes."""
        super().check(features, classes)
        check_array("mean", self.mean, (features,))
        check_array("scale", self.scale, (features,))

    def entering(self, features: Floats) -> Floats:
        """Standardise the features."""
        return (features - self.mean) * self.scale

    def unit(self, sums: Floats) -> Floats:
        """Take the logistic function."""
        small = np.exp(-np.abs(sums))
        return np.asarray(np.where(sums >= 0, 1, small) / (1 + small))

    def slope(self, values: Floats) -> Floats:
        """Give its slope, which its value tells."""
        return values * (1 - values)

    def gradients(self, features: Floats) -> Floats:
        """Give the slopes by the features as they are, before they are standardised."""
        return np.asarray(super().gradients(features) * self.scale)


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
