"""How well a network finds lungs that it has not learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.lungs.changes import dense
from benchmarks.lungs.films import Outlined
from spark_cxr.images.lungs import LungNetwork, lungs_of

DENSE = 0.5
"""Least density of the lungs that are painted white."""


@dataclass(frozen=True)
class Agreement:
    """Dice of each film, and whether the network was sure."""

    dice: NDArray[np.float64]
    is_sure: NDArray[np.bool_]

    def __str__(self) -> str:
        """Give the mean, the tenth and the share of films whose lungs were found."""
        return (
            f"{self.dice.mean():.3f} ({np.quantile(self.dice, 0.1):.3f} in the worst tenth), "
            f"found on {self.is_sure.mean():.1%} of {len(self.dice):,}"
        )


def agreement(network: LungNetwork, films: Outlined) -> Agreement:
    """Hold what a network finds against the outlines."""
    found = [lungs_of(network, film) for film in films.films]
    pairs = zip(found, films.lungs, strict=True)
    dice = [_dice(lungs.mask(outline.shape), outline > 127) for lungs, outline in pairs]
    return Agreement(np.array(dice), np.array([lungs.is_sure for lungs in found]))


def whitened(films: Outlined, seed: int = 5) -> Outlined:
    """Paint the lungs white, as far as a disease can."""
    draws = (np.random.default_rng([seed, number]) for number in range(len(films.films)))
    pairs = zip(films.films, films.lungs, draws, strict=True)
    return Outlined(np.stack([dense(*pair, DENSE) for pair in pairs]), films.lungs, films.paths)


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))
