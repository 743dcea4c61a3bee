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


OPTIMISERS: dict[str, Callable[..., Any]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
}


def names() -> tuple[str, ...]:
    """Give the names of all optimisers."""
    return tuple(OPTIMISERS)


def get(recipe: Recipe, rate: float, steps: int) -> Any:
    """Make the optimiser of a recipe for so many steps; it has moved nothing yet."""
    name = recipe.optimiser
    if name not in OPTIMISERS:
        raise ConfigError("finetune.optimiser by name", name, nearest(name, names()))
    common = {"global_clipnorm": CLIP, **_averaging(recipe.average * steps)}
    return OPTIMISERS[name](import_keras(), recipe, rate, **common)


def _averaging(steps: float) -> dict[str, Any]:
    """Say in Keras' words that weights are averaged, those of so many steps ago for 37 %."""
    return {"use_ema": True, "ema_momentum": 1 - 1 / steps} if steps > 1 else {}


def scaled(optimiser: Any, policy: str) -> Any:
    """Keep gradients in the range that f16 knows; other precisions need no scaling."""
    if policy != "mixed_float16":
        return optimiser
    return import_keras().optimizers.LossScaleOptimizer(optimiser)
