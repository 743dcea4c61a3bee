"""Optimisers as a recipe names them."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import RECIPE

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.training import optimisers


def step(name, gradient, weight_decay=0.0, path="kernel"):
    """Move a weight of 1 by one step of rate 0.1."""
    recipe = replace(RECIPE, optimiser=name, weight_decay=weight_decay)
    optimiser = optimisers.get(recipe, 0.1, 100)
    variable = import_keras().Variable(np.ones(1, np.float32), name=path)
    optimiser.build([variable])
    optimiser.apply([np.asarray([gradient], np.float32)], [variable])
    return float(import_keras().ops.convert_to_numpy(variable)[0])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_first_step_of_adam_has_the_size_of_the_rate(name):
    assert step(name, 0.003) == pytest.approx(0.9, abs=1e-3)


def test_the_first_step_of_sgd_is_that_of_nesterov():
    assert step("sgd", 0.5) == pytest.approx(1 - 0.1 * 0.5 * 1.9)


def test_a_huge_gradient_is_cut():
    assert step("sgd", 1e6) == pytest.approx(1 - 0.1 * optimisers.CLIP * 1.9)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_decay_but_biases_do_not(name):
    assert step(name, 0.0, 0.5) == pytest.approx(1 - 0.1 * 0.5)
    assert step(name, 0.0, 0.5, "bias") == 1


def test_adam_does_not_decay():
    assert step("adam", 0.0, 0.5) == 1


def test_gradients_of_f16_are_scaled_and_others_are_not():
    optimiser = optimisers.get(RECIPE, 0.1, 100)
    assert optimisers.scaled(optimiser, "mixed_bfloat16") is optimiser
    assert optimisers.scaled(optimiser, "mixed_float16").inner_optimizer is optimiser


def test_an_unknown_optimiser_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: adamww. Did you mean adamw\?"):
        optimisers.get(replace(RECIPE, optimiser="adamww"), 0.1, 100)


def test_weights_are_averaged_over_a_share_of_the_steps():
    optimiser = optimisers.get(replace(RECIPE, average=0.2), 0.1, 50)
    assert optimiser.use_ema
    assert optimiser.ema_momentum == pytest.approx(0.9)


@pytest.mark.parametrize(("average", "steps"), [(0.0, 500), (0.1, 10)])
def test_nothing_is_averaged_over_no_share_or_a_single_step(average, steps):
    assert not optimisers.get(replace(RECIPE, average=average), 0.1, steps).use_ema
