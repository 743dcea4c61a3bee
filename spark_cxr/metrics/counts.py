"""Measures of a confusion matrix, or of a whole stack of them at once: (..., truth, predicted)."""

import numpy as np

from spark_cxr.metrics.sample import Floats


def accuracy(confusions: Floats) -> Floats:
    """Give the share on the diagonal."""
    return ratio(_diagonal(confusions).sum(axis=-1), confusions.sum(axis=(-2, -1)))


def recall(confusions: Floats) -> Floats:
    """Give the share of each true label that was found."""
    return ratio(_diagonal(confusions), confusions.sum(axis=-1))


def precision(confusions: Floats) -> Floats:
    """Give the share of each predicted label that was right."""
    return ratio(_diagonal(confusions), confusions.sum(axis=-2))


def f1(confusions: Floats) -> Floats:
    """Give the harmonic mean of precision and recall; 0 for a label that is never hit."""
    either = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    return ratio(2 * _diagonal(confusions), either)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with NaN for 0 / 0."""
    nothing = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    quotient: Floats = np.divide(part, whole, out=nothing, where=whole != 0)
    return quotient


def mean_defined(values: Floats) -> Floats:
    """Average over the last axis, leaving NaN out; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(float))


def _diagonal(confusions: Floats) -> Floats:
    return np.diagonal(confusions, axis1=-2, axis2=-1)
