"""Losses, against their formulas in numpy and Keras' own."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import RECIPE

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.training import losses

RNG = np.random.default_rng(0)
MARGINS = (3 * RNG.standard_normal((20, 4))).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 20)]


def loss(**changes):
    return losses.get(replace(RECIPE, **changes))


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


@pytest.mark.parametrize("name", losses.names())
def test_weights_of_classes_multiply(name):
    each = loss(loss=name)
    np.testing.assert_allclose(each(3 * TARGETS, MARGINS), 3 * np.asarray(each(TARGETS, MARGINS)))


@pytest.mark.parametrize("name", losses.names())
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
    found = losses.hits(np.array([[0, 0.5], [2, 0]]), np.array([[1.0, 2.0], [1.0, 2.0]]))
    assert np.asarray(found).tolist() == [1, 0]


def test_an_unknown_loss_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: crossentrop. Did you mean crossentropy\?"):
        loss(loss="crossentrop")
