"""Heads of two classes side by side, one for each finding of a film: their answers do not compete.

What such a head says of a finding is the second of its two classes, that a film has it, against
the first, that it has not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_cxr.heads.portable.layers import Dense, Perceptron
from spark_cxr.heads.portable.linear import Floats, Linear
from spark_cxr.heads.portable.trees import Trees


@dataclass(frozen=True)
class FindingHeads:
    """A head for each finding, in the order of the findings."""

    heads: tuple[PortableHead, ...]
    """Each of two classes: without the finding, and with it."""

    def check(self, features: int, classes: int) -> None:
        """Raise ValueError unless there is a head of so many features for each finding."""
        if not self.heads:
            raise ValueError("no head for any finding")
        if len(self.heads) != classes:
            raise ValueError(f"{len(self.heads)} heads for {classes} findings")
        for head in self.heads:
            if isinstance(head, FindingHeads):
                raise ValueError("heads of findings within a head of findings")
            head.check(features, 2)

    def margins(self, features: Floats) -> Floats:
        """Say by how much each head is for its finding rather than against it.

        Of logistic regression and networks these are log odds.
        """
        return self._beside([_difference(head.margins(features)) for head in self.heads])

    def probabilities(self, features: Floats) -> Floats:
        """Score feature vectors, one a row; the answers to a film do not add up to 1."""
        return self._beside([head.probabilities(features)[:, 1] for head in self.heads])

    def gradients(self, features: Floats) -> Floats:
        """Give the slope of each finding's margin by each feature: (films, findings, features).

        Raises:
            TypeError: There are trees among the heads, which have no slope.
        """
        slopes = []
        for head in self.heads:
            if isinstance(head, Trees):
                raise TypeError("a head of trees has no gradients")
            slopes.append(_difference(head.gradients(features)))
        return self._beside(slopes)

    @staticmethod
    def _beside(answers: list[Floats]) -> Floats:
        return np.stack(answers, axis=1)


PortableHead = Linear | Trees | Perceptron | Dense | FindingHeads


def parts_of(head: PortableHead) -> tuple[PortableHead, ...]:
    """Give the heads that a head is made of: itself, unless it is one of findings."""
    return head.heads if isinstance(head, FindingHeads) else (head,)


def _difference(two: Floats) -> Floats:
    """Take what is said against a finding from what is said for it."""
    return np.asarray(two[:, 1] - two[:, 0])
