"""How rare classes come to count as much as others: by weight, or by being drawn more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest
from spark_cxr.training.recipe import BALANCES

Targets = NDArray[np.int64]
_OF_BALANCE = 2
"""Keeps these seeds apart from those of the draw."""


def check(balance: str) -> str:
    """Refuse what is no way to balance."""
    if balance not in BALANCES:
        raise ConfigError("finetune.balance_by by name", balance, nearest(balance, BALANCES))
    return balance


def class_weights(targets: Targets, classes: int, balance: str) -> NDArray[np.float32]:
    """Weigh a film of each class so that all classes count alike and a film counts 1 on average."""
    if balance == "none":
        return np.ones(classes, np.float32)
    films = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(films, 1))).astype(np.float32)


def rows_of_epoch(targets: Targets, weights: NDArray[np.float32], seed: int, epoch: int) -> Targets:
    """Draw each film as often as its class weighs: 2.3 is twice, and a third time for 30 %.

    In the order of the rows, a film drawn twice behind itself.
    """
    wanted = weights[targets]
    chance = np.random.default_rng([seed, epoch, 0, _OF_BALANCE]).random(len(targets))
    times = np.floor(wanted) + (chance < wanted % 1)
    return np.repeat(np.arange(len(targets)), times.astype(np.int64))
