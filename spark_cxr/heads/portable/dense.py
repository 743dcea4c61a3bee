"""The head of a fine-tuned network: dense layers with ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.heads.portable.links import Floats, softmax


@dataclass(frozen=True)
class Dense:
    """Dense layers with ReLU between them, the last one with softmax."""

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
            slopes = (slopes * (values > 0)[:, None]) @ weights.T
        return np.asarray(slopes)

    def _layers(self, features: Floats) -> list[Floats]:
        """Give what goes into each layer."""
        values = [features]
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values.append(np.maximum(values[-1] @ weights + bias, 0))
        return values
