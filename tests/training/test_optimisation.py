"""Losses against their formulas in numpy and Keras' own, optimisers and schedules."""

import math
from dataclasses import replace

import numpy as np
import pytest
from training_tasks import RECIPE

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.training import optimisation
from spark_cxr.training.optimisation import FACTOR, LEAST, Moment, get_schedule

RNG = np.random.default_rng(0)
MARGINS = (3 * RNG.standard_normal((20, 4))).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 20)]


def loss(**changes):
    return optimisation.get_loss(replace(RECIPE, **changes))


def test_crossentropy_is_that_of_keras():
    wanted = import_keras().losses.categorical_crossentropy(TARGETS, MARGINS, from_logits=True)
    np.testing.assert_allclose(loss()(TARGETS, MARGINS), wanted, rtol=1e-5)


def test_focal_loss_by_its_formula():
    shares = np.exp(MARGINS) / np.exp(MARGINS).sum(axis=1, keepdims=True)
    p = (shares * TARGETS).sum(axis=1)
    found = loss(loss="focal", focal_gamma=2.0)(TARGETS, MARGINS)
    np.testing.assert_allclose(found, -((1 - p) ** 2) * np.log(p), rtol=1e-4)


def test_focal_loss_without_gamma_is_crossentropy():
    found = loss(loss="focal", focal_gamma=0.0)(TARGETS, MARGINS)
    np.testing.assert_allclose(found, loss()(TARGETS, MARGINS), rtol=1e-6)


@pytest.mark.parametrize("name", optimisation.LOSSES)
def test_weights_of_classes_multiply(name):
    each = loss(loss=name)
    np.testing.assert_allclose(each(3 * TARGETS, MARGINS), 3 * np.asarray(each(TARGETS, MARGINS)))


@pytest.mark.parametrize("name", optimisation.LOSSES)
def test_films_that_are_sure_or_surely_wrong_have_slopes_that_are_numbers(name):
    import tensorflow as tf

    margins = tf.constant([[200.0, -200.0], [-200.0, 200.0]])
    with tf.GradientTape() as tape:
        tape.watch(margins)
        each = loss(loss=name, focal_gamma=0.5)(np.array([[1.0, 0.0]] * 2, np.float32), margins)
    slopes = tape.gradient(each, margins).numpy()
    assert np.isfinite(slopes).all()
    assert np.abs(slopes[1]).max() > 0.5


def test_hits_are_films_whose_class_is_largest():
    found = optimisation.hits(np.array([[0, 0.5], [2, 0]]), np.array([[1.0, 2.0], [1.0, 2.0]]))
    assert np.asarray(found).tolist() == [1, 0]


def test_an_unknown_loss_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: crossentrop. Did you mean crossentropy\?"):
        loss(loss="crossentrop")


# Optimisers as a recipe names them.


def step(name, gradient, weight_decay=0.0, path="kernel"):
    """Move a weight of 1 by one step of rate 0.1."""
    recipe = replace(RECIPE, optimiser=name, weight_decay=weight_decay)
    optimiser = optimisation.get_optimiser(recipe, 0.1, 100)
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
    assert step("sgd", 1e6) == pytest.approx(1 - 0.1 * optimisation.CLIP * 1.9)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_decay_but_biases_do_not(name):
    assert step(name, 0.0, 0.5) == pytest.approx(1 - 0.1 * 0.5)
    assert step(name, 0.0, 0.5, "bias") == 1


def test_adam_does_not_decay():
    assert step("adam", 0.0, 0.5) == 1


def test_gradients_of_f16_are_scaled_and_others_are_not():
    optimiser = optimisation.get_optimiser(RECIPE, 0.1, 100)
    assert optimisation.scaled(optimiser, "mixed_bfloat16") is optimiser
    assert optimisation.scaled(optimiser, "mixed_float16").inner_optimizer is optimiser


def test_an_unknown_optimiser_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: adamww. Did you mean adamw\?"):
        optimisation.get_optimiser(replace(RECIPE, optimiser="adamww"), 0.1, 100)


def test_weights_are_averaged_over_a_share_of_the_steps():
    optimiser = optimisation.get_optimiser(replace(RECIPE, average=0.2), 0.1, 50)
    assert optimiser.use_ema
    assert optimiser.ema_momentum == pytest.approx(0.9)


@pytest.mark.parametrize(("average", "steps"), [(0.0, 500), (0.1, 10)])
def test_nothing_is_averaged_over_no_share_or_a_single_step(average, steps):
    assert not optimisation.get_optimiser(replace(RECIPE, average=average), 0.1, steps).use_ema


# How large the steps are.


def shares(name, steps, val_losses=()):
    return [get_schedule(name)(Moment(step, steps, val_losses)) for step in range(steps)]


def test_cosine_rises_for_a_twentieth_and_falls_to_its_least():
    told = shares("cosine", 1000)
    assert told[:50] == pytest.approx([(step + 1) / 50 for step in range(50)])
    assert max(told) == told[50] == 1
    assert told[50 + 475] == pytest.approx(LEAST + (1 - LEAST) / 2)
    assert told[-1] == pytest.approx(LEAST, abs=1e-3)
    assert told[50:] == sorted(told[50:], reverse=True)


def test_cosine_rises_for_no_more_than_200_steps():
    assert shares("cosine", 100_000)[200] == 1


@pytest.mark.parametrize("steps", [1, 2, 19, 20])
def test_cosine_of_a_few_steps_is_a_share(steps):
    assert all(0 < share <= 1 for share in shares("cosine", steps))


def test_plateau_falls_after_every_second_epoch_that_is_no_better():
    losses = [0.5, 0.4, 0.41, 0.42, 0.40, 0.43, 0.1]
    told = [get_schedule("plateau")(Moment(0, 9, losses[:count])) for count in range(8)]
    assert told == pytest.approx([1, 1, 1, 1, FACTOR, FACTOR, FACTOR**2, FACTOR**2])


def test_plateau_counts_no_number_as_no_better():
    assert get_schedule("plateau")(Moment(0, 9, [0.5, math.nan, math.nan])) == FACTOR


def test_constant_stays():
    assert set(shares("constant", 9, [1, 2, 3])) == {1.0}


def test_an_unknown_schedule_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: cosin. Did you mean cosine\?"):
        get_schedule("cosin")
