"""What heads of dense layers share: they differ in their units, and in what goes into the first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from spark_cxr.heads.portable.links import Floats, softmax


class Layers(ABC):
    """Dense layers, the last one with softmax."""

    weights: Any
    """(inputs, outputs) of each layer."""
    biases: Any

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
