"""Margins → probabilities, the three ways of the heads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest

Floats = NDArray[np.float64]


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
