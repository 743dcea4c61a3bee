"""What moves the weights, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.settings import nearest
from spark_cxr.training.recipe import Recipe

CLIP = 5.0
"""Largest norm of all gradients together: one odd batch cannot throw the network far off."""
NOT_DECAYED = ["bias", "gamma", "beta"]


def _adam(keras: Any, recipe: Recipe, rate: float) -> Any:
    return keras.optimizers.Adam(rate, global_clipnorm=CLIP)


def _adamw(keras: Any, recipe: Recipe, rate: float) -> Any:
    decay = recipe.weight_decay
    optimiser = keras.optimizers.AdamW(rate, weight_decay=decay, global_clipnorm=CLIP)
    optimiser.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimiser


def _sgd(keras: Any, recipe: Recipe, rate: float) -> Any:
    optimiser = keras.optimizers.SGD(
        rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe.weight_decay or None,
        global_clipnorm=CLIP,
    )
    optimiser.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimiser


OPTIMISERS: dict[str, Callable[[Any, Recipe, float], Any]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}


def names() -> tuple[str, ...]:
    """Give the names of all optimisers."""
    return tuple(OPTIMISERS)


def get(recipe: Recipe, rate: float) -> Any:
    """Make the optimiser of a recipe, which has moved nothing yet."""
    name = recipe.optimiser
    if name not in OPTIMISERS:
        raise ConfigError("finetune.optimiser by name", name, nearest(name, names()))
    return OPTIMISERS[name](import_keras(), recipe, rate)


def scaled(optimiser: Any, policy: str) -> Any:
    """Keep gradients in the range that f16 knows; other precisions need no scaling."""
    if policy != "mixed_float16":
        return optimiser
    return import_keras().optimizers.LossScaleOptimizer(optimiser)
