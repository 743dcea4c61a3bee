"""A head that has learned, as arrays without Keras: batch normalisation folded into its layers."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.heads.portable.dense import Dense
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.heads.portable.links import Floats

FoldedHead: TypeAlias = Linear | Dense


def fold(head: Any) -> FoldedHead:
    """Read a head of dense layers, normalised before the first or behind each."""
    layers = import_keras().layers
    weights, biases = list[Floats](), list[Floats]()
    before: tuple[Floats, Floats] | None = None
    for layer in head.layers:
        if isinstance(layer, layers.BatchNormalization):
            scale, shift = _affine(layer)
            if weights:
                weights[-1], biases[-1] = weights[-1] * scale, biases[-1] * scale + shift
            else:
                before = scale, shift
        elif isinstance(layer, layers.Dense):
            kernel, bias = (np.asarray(each, np.float64) for each in layer.get_weights())
            if before is not None:
                kernel, bias = before[0][:, None] * kernel, before[1] @ kernel + bias
                before = None
            weights.append(kernel)
            biases.append(bias)
    if len(weights) == 1:
        return Linear(weights[0].T.copy(), biases[0], "softmax")
    return Dense(tuple(weights), tuple(biases))


def _affine(layer: Any) -> tuple[Floats, Floats]:
    """Give what normalising multiplies by, and what it then adds."""
    gamma, beta, mean, variance = (np.asarray(each, np.float64) for each in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale
