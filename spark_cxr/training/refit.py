"""The head that has learned, as arrays without Keras, and its last layer solved once more.

Batch normalisation is folded into the layers. The last layer is then solved as logistic regression
on what goes into it, on films as they are: steps of one length suit a network, and hardly its last
layer, whose inputs differ a hundredfold in size; it is also the one layer for which the best
solution can be computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.heads.portable import FindingHeads
from spark_cxr.heads.portable.layers import Dense
from spark_cxr.heads.portable.linear import Floats, Linear, softmax
from spark_cxr.training.targets import Numbers

FoldedHead: TypeAlias = Linear | Dense

SHRINKAGE = 0.08
"""How much weights are held back, times features / films: half of what a head of logistic
regression takes, since these features were made for these classes."""
STEPS, CLOSE = 3000, 1e-5
"""Steps at most; fewer when the slope is as small as this."""
Array: TypeAlias = NDArray[Any]


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


def split_findings(folded: FoldedHead) -> FindingHeads:
    """Make of a margin for each finding a head of two classes for each.

    Against a margin of 0, softmax is the sigmoid that it has learned with.
    """
    if isinstance(folded, Linear):
        pairs = zip(folded.weights, folded.bias, strict=True)
        return FindingHeads(
            tuple(
                Linear(np.vstack([0 * row, row]), np.array([0.0, bias]), "softmax")
                for row, bias in pairs
            )
        )
    kernel, last = folded.weights[-1], folded.biases[-1]
    return FindingHeads(
        tuple(
            Dense(
                (*folded.weights[:-1], np.column_stack([0 * column, column])),
                (*folded.biases[:-1], np.array([0.0, bias])),
            )
            for column, bias in zip(kernel.T, last, strict=True)
        )
    )


def _affine(layer: Any) -> tuple[Floats, Floats]:
    """Give what normalising multiplies by, and what it then adds."""
    gamma, beta, mean, variance = (np.asarray(each, np.float64) for each in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale


@dataclass(frozen=True)
class LabelledVectors:
    """Feature vectors and what is known of their films."""

    vectors: Array
    targets: Array
    """The number of each one's class; of findings the cells of each (`finding_targets.Cells`)."""

    def hits(self, head: FoldedHead) -> int:
        """Count those that a head names rightly."""
        predicted = head.probabilities(self.vectors).argmax(axis=1)
        return int((predicted == self.targets).sum())

    def __add__(self, other: LabelledVectors) -> LabelledVectors:
        """Put others behind them."""
        pairs = (self.vectors, other.vectors), (self.targets, other.targets)
        return LabelledVectors(*map(np.concatenate, pairs))


def refit_if_better(
    head: FoldedHead,
    train: LabelledVectors,
    val: LabelledVectors,
    weights: Array,
    first: FoldedHead | None = None,
) -> tuple[FoldedHead, bool]:
    """Solve the last layer anew where validation says that this is no worse, then for all films.

    Args:
        head: As it has learned.
        train: Those that train.
        val: Those that validate; they choose, and then count as well.
        weights: How much a film of each class counts.
        first: The head with its last layer solved on `train` alone, where that is done already.

    Returns:
        The head, and whether it was solved.
    """
    if val.hits(first or refit_on(head, train, weights)) < val.hits(head):
        return head, False
    return refit_on(head, train + val, weights), True


def refit_on(head: FoldedHead, known: LabelledVectors, weights: Array) -> FoldedHead:
    """Solve the last layer of a head on some films."""
    return with_last(head, known.vectors, lambda given: solve(given, known.targets, weights))


def with_last(
    head: FoldedHead, vectors: Array, solver: Callable[[Array], tuple[Array, Array]]
) -> FoldedHead:
    """Put in the place of the last layer the one that is solved for what goes into it."""
    if isinstance(head, Dense):
        kernel, bias = solver(head.before_last(vectors))
        last = {"weights": (*head.weights[:-1], kernel), "biases": (*head.biases[:-1], bias)}
        return replace(head, **last)
    kernel, bias = solver(vectors)
    return replace(head, weights=kernel.T.copy(), bias=bias)


def solve(vectors: Array, targets: Numbers, weights: Array) -> tuple[Array, Array]:
    """Fit logistic regression to standardised vectors: kernel (features, classes), and bias.

    Nesterov's accelerated descent; its momentum begins anew whenever it goes uphill.
    """
    films, dim = vectors.shape
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
    spread[spread == 0] = 1
    # The column of ones carries the bias, which is not held back.
    inputs = np.column_stack([(vectors - mean) / spread, np.ones(films)])
    each = weights[targets][:, None] / weights[targets].sum()
    wanted = np.eye(len(weights))[targets]
    held = np.full((dim + 1, 1), SHRINKAGE * dim / films)
    held[-1] = 0
    steepest = np.linalg.eigvalsh((inputs * each).T @ inputs)[-1] / 2 + held[0, 0]
    now = ahead = np.zeros((dim + 1, len(weights)))
    age = 1.0
    for _ in range(STEPS):
        slope = inputs.T @ (each * (softmax(inputs @ ahead) - wanted)) + held * ahead
        before, now = now, ahead - slope / steepest
        if np.abs(slope).max() < CLOSE:
            break
        age = 1.0 if (slope * (now - before)).sum() > 0 else age
        older = (1 + np.sqrt(1 + 4 * age**2)) / 2
        ahead, age = now + (age - 1) / older * (now - before), older
    kernel = now[:-1] / spread[:, None]
    return kernel, now[-1] - mean @ kernel
