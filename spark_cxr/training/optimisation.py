"""What training makes small, what moves the weights, and how large the steps are: by name.

Targets are shares of the classes times the weight of the film's class, so that a weighted film and
a smoothed label need no code of their own. Of findings they are two for each: how much counts that
a film has it, and how much that it has not; both are 0 where that is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.training.recipe import Recipe

Row = TypeVar("Row")
Loss = Callable[[Any, Any], Any]
"""Targets and margins, (films, classes) → one number a film."""

CLIP = 5.0
"""Largest norm of all gradients together: one odd batch cannot throw the network far off."""
NOT_DECAYED = ["bias", "gamma", "beta"]

WARM_UP = 0.05
"""Share of the steps in which the rate rises to its full height; 200 steps at most."""
LEAST = 0.01
"""Where the cosine ends, as a share of the full rate."""
PATIENCE = 2
"""Epochs without a lower validation loss after which `plateau` takes smaller steps."""
FACTOR = 0.3


def _get(registry: Mapping[str, Row], setting: str, name: str) -> Row:
    if name not in registry:
        raise ConfigError(f"finetune.{setting} by name", name, nearest(name, tuple(registry)))
    return registry[name]


def _crossentropy(recipe: Recipe) -> Loss:
    def loss(targets: Any, margins: Any) -> Any:
        ops = import_keras().ops
        return -ops.sum(targets * ops.log_softmax(margins), axis=-1)

    return loss


def _focal(recipe: Recipe) -> Loss:
    """Let films count less the surer they are: (1 - p)^gamma (Lin et al. 2017)."""

    def loss(targets: Any, margins: Any) -> Any:
        ops = import_keras().ops
        logs = ops.log_softmax(margins)
        # Near p = 1 the power of 0 has no slope that is a number.
        unsure = ops.maximum(1 - ops.exp(logs), 1e-7)
        return -ops.sum(targets * unsure**recipe.focal_gamma * logs, axis=-1)

    return loss


LOSSES: dict[str, Callable[[Recipe], Loss]] = {"crossentropy": _crossentropy, "focal": _focal}


def _crossentropy_of_findings(recipe: Recipe) -> Loss:
    def loss(targets: Any, margins: Any) -> Any:
        ops = import_keras().ops
        positive, negative = ops.split(targets, 2, axis=-1)
        cells = positive * ops.log_sigmoid(margins) + negative * ops.log_sigmoid(-margins)
        return -ops.sum(cells, axis=-1)

    return loss


def _focal_of_findings(recipe: Recipe) -> Loss:
    def loss(targets: Any, margins: Any) -> Any:
        ops = import_keras().ops
        positive, negative = ops.split(targets, 2, axis=-1)
        unsure, sure = (ops.maximum(ops.sigmoid(each), 1e-7) for each in (-margins, margins))
        cells = positive * unsure**recipe.focal_gamma * ops.log_sigmoid(margins)
        cells += negative * sure**recipe.focal_gamma * ops.log_sigmoid(-margins)
        return -ops.sum(cells, axis=-1)

    return loss


FINDING_LOSSES: dict[str, Callable[[Recipe], Loss]] = {
    "crossentropy": _crossentropy_of_findings,
    "focal": _focal_of_findings,
}


def get_loss(recipe: Recipe, of_findings: bool = False) -> Loss:
    """Find the loss of a recipe: over classes of which a film has one, or over known findings."""
    return _get(FINDING_LOSSES if of_findings else LOSSES, "loss", recipe.loss)(recipe)


def distance(targets: Any, said: Any) -> Any:
    """Give the mean squared distance between two vectors, film by film."""
    return import_keras().ops.mean((targets - said) ** 2, axis=-1)


def hits(targets: Any, margins: Any) -> Any:
    """Say of each film whether its class has the largest margin."""
    ops = import_keras().ops
    is_hit = ops.equal(ops.argmax(targets, axis=-1), ops.argmax(margins, axis=-1))
    return ops.cast(is_hit, "float32")


def known_hits(targets: Any, margins: Any) -> Any:
    """Give the share of each film's known findings whose margin is on the right side of 0."""
    ops = import_keras().ops
    positive, negative = ops.split(targets, 2, axis=-1)
    is_known = ops.cast(positive + negative > 0, "float32")
    is_hit = ops.cast(ops.equal(positive > negative, margins > 0), "float32") * is_known
    return ops.sum(is_hit, axis=-1) / ops.maximum(ops.sum(is_known, axis=-1), 1.0)


def get_hits(of_findings: bool) -> Loss:
    """Find what is counted beside the loss; its name ends with that of `hits`."""
    return known_hits if of_findings else hits


def _adam(keras: Any, recipe: Recipe, rate: float, **common: Any) -> Any:
    return keras.optimizers.Adam(rate, **common)


def _adamw(keras: Any, recipe: Recipe, rate: float, **common: Any) -> Any:
    optimiser = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, **common)
    optimiser.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimiser


def _sgd(keras: Any, recipe: Recipe, rate: float, **common: Any) -> Any:
    decay = recipe.weight_decay or None
    optimiser = keras.optimizers.SGD(
        rate, momentum=0.9, nesterov=True, weight_decay=decay, **common
    )
    optimiser.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimiser


OPTIMISERS: dict[str, Callable[..., Any]] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}


def get_optimiser(recipe: Recipe, rate: float, steps: int) -> Any:
    """Make the optimiser of a recipe for so many steps; it has moved nothing yet."""
    common: dict[str, Any] = {"global_clipnorm": CLIP}
    averaged = recipe.average * steps
    if averaged > 1:  # the weights of so many steps ago count 37 %
        common |= {"use_ema": True, "ema_momentum": 1 - 1 / averaged}
    make = _get(OPTIMISERS, "optimiser", recipe.optimiser)
    return make(import_keras(), recipe, rate, **common)


def scaled(optimiser: Any, policy: str) -> Any:
    """Keep gradients in the range that f16 knows; other precisions need no scaling."""
    if policy != "mixed_float16":
        return optimiser
    return import_keras().optimizers.LossScaleOptimizer(optimiser)


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


def get_schedule(name: str) -> Callable[[Moment], float]:
    """Find a schedule: what share of the full rate a step has."""
    return _get(SCHEDULES, "schedule", name)
