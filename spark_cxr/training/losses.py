"""What training makes small, one row each: a number for each film.

Targets are shares of the classes times the weight of the film's class, so that a weighted film and
a smoothed label need no code of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest
from spark_cxr.training.recipe import Recipe

Loss = Callable[[Any, Any], Any]
"""Targets and margins, (films, classes) → one number a film."""


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


def names() -> tuple[str, ...]:
    """Give the names of all losses."""
    return tuple(LOSSES)


def get(recipe: Recipe) -> Loss:
    """Find the loss of a recipe."""
    if recipe.loss not in LOSSES:
        raise ConfigError("finetune.loss by name", recipe.loss, nearest(recipe.loss, names()))
    return LOSSES[recipe.loss](recipe)


def distance(targets: Any, said: Any) -> Any:
    """Give the mean squared distance between two vectors, film by film."""
    return import_keras().ops.mean((targets - said) ** 2, axis=-1)


def hits(targets: Any, margins: Any) -> Any:
    """Say of each film whether its class has the largest margin."""
    ops = import_keras().ops
    is_hit = ops.equal(ops.argmax(targets, axis=-1), ops.argmax(margins, axis=-1))
    return ops.cast(is_hit, "float32")
