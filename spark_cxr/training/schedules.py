"""How large the steps are as training goes on, one row each: a pure function of where it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest

WARM_UP = 0.05
"""Share of the steps in which the rate rises to its full height; 200 steps at most."""
LEAST = 0.01
"""Where the cosine ends, as a share of the full rate."""
PATIENCE = 2
"""Epochs without a lower validation loss after which `plateau` takes smaller steps."""
FACTOR = 0.3


@dataclass(frozen=True)
class Moment:
    """A step of a phase, and how validation went before it."""

    step: int
    steps: int
    """Of the whole phase."""
    val_losses: Sequence[float]
    """Of the epochs of this phase so far."""


def _constant(moment: Moment) -> float:
    return 1.0


def _cosine(moment: Moment) -> float:
    rising = min(200, int(WARM_UP * moment.steps))
    if moment.step < rising:
        return (moment.step + 1) / rising
    gone = min(1.0, (moment.step - rising) / max(1, moment.steps - rising))
    return LEAST + (1 - LEAST) * (1 + math.cos(math.pi * gone)) / 2


def _plateau(moment: Moment) -> float:
    share, best, waited = 1.0, math.inf, 0
    for loss in moment.val_losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == PATIENCE:
            share, waited = share * FACTOR, 0
    return share


SCHEDULES: dict[str, Callable[[Moment], float]] = {
    "cosine": _cosine,
    "plateau": _plateau,
    "constant": _constant,
}


def names() -> tuple[str, ...]:
    """Give the names of all schedules."""
    return tuple(SCHEDULES)


def get(name: str) -> Callable[[Moment], float]:
    """Find a schedule: what share of the full rate a step has."""
    if name not in SCHEDULES:
        raise ConfigError("finetune.schedule by name", name, nearest(name, names()))
    return SCHEDULES[name]
