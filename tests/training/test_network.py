"""The network that learns: what it makes of a film, and which of its layers learn."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import RECIPE, SIDE

from spark_cxr.backbones import keras_model, weights
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import ConfigError
from spark_cxr.training import network, optimisation
from spark_cxr.training.network import ALL, CLASSES, HEAD, MEMORY
from spark_cxr.training.refit import fold

FILMS = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 1)).astype(np.uint8)


def built(body, **changes):
    backbone = own.find(str(body), "tf")
    start, recipe = weights.resolve("", backbone), replace(RECIPE, **changes)
    return network.build(backbone, start, recipe, 3)


def learning(trainee, phase=ALL, **changes):
    recipe = replace(RECIPE, **changes)
    trainee.learn(phase, recipe, optimisation.get_optimiser(recipe, 0.01, 100))
    return trainee


def test_vectors_are_those_of_the_network_alone(body):
    alone = keras_model.compose(keras_model.load(str(body)), "tf", "avg")
    wanted = alone.predict_on_batch(np.repeat(FILMS, 3, axis=-1))
    np.testing.assert_allclose(network.said(built(body).features, FILMS), wanted, atol=1e-6)


def test_bf16_gives_the_same_vectors_but_for_its_rounding(body):
    wanted = network.said(built(body).features, FILMS)
    told = network.said(built(body, precision="bf16").features, FILMS)
    assert told.dtype == np.float32
    assert 0 < np.abs(told - wanted).max() < 0.02 * np.abs(wanted).max()


def test_a_network_inside_a_network_computes_in_bf16_too(body):
    keras = import_keras()
    inner = keras_model.load(str(body))
    films = keras.Input(inner.input_shape[1:])
    outer = keras_model.in_policy(keras.Model(films, inner(films)), "mixed_bfloat16")
    policies = {leaf.dtype_policy.name for leaf in network._leaves(outer) if leaf.weights}
    assert policies == {"mixed_bfloat16"}


@pytest.mark.parametrize("head", [(), (6, 5)], ids=["linear", "dense"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_folded_head_says_what_the_network_says(body, head, batch_norm):
    trainee = learning(built(body, head=head, batch_norm=batch_norm))
    targets = {CLASSES: np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]}
    for _ in range(3):
        trainee.model.train_on_batch(FILMS, targets)
    margins = network.said(trainee.model, FILMS)[CLASSES]
    vectors = network.said(trainee.features, FILMS).astype(np.float64)
    np.testing.assert_allclose(fold(trainee.head).margins(vectors), margins, atol=1e-5)


def test_a_network_that_remembers_gives_vectors_beside_margins(body):
    told = network.said(built(body, distil=0.1).model, FILMS)
    assert {name: array.shape for name, array in told.items()} == {CLASSES: (5, 3), MEMORY: (5, 10)}


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ("all", ["block1_conv", "block2_conv"]),
        ("none", []),
        ("0.5", ["block2_conv"]),
        ("0.9", ["block1_conv", "block2_conv"]),
        ("0", []),
        ("1", ["block1_conv", "block2_conv"]),
        ("block2", ["block2_conv"]),
        ("block1_bn", ["block2_conv"]),
    ],
)
def test_layers_that_learn(body, layers, wanted):
    trainee = learning(built(body), layers=layers)
    found = [leaf.name for leaf in network._leaves(trainee.body) if leaf.trainable_weights]
    assert found == wanted


def test_the_average_of_the_weights_is_there_for_a_while(body):
    trainee = built(body)
    trainee.learn(ALL, RECIPE, optimisation.get_optimiser(replace(RECIPE, average=0.2), 0.01, 10))
    targets = {CLASSES: np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]}
    wanted = None
    for _ in range(4):
        trainee.model.train_on_batch(FILMS, targets)
        now = trainee.model.get_weights()
        wanted = now if wanted is None else [(a + b) / 2 for a, b in zip(wanted, now, strict=True)]
    with trainee.averaged():
        for mean, value in zip(wanted, trainee.model.get_weights(), strict=True):
            np.testing.assert_allclose(value, mean, atol=1e-6)
    for last, value in zip(now, trainee.model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, last)


def test_the_head_learns_alone_at_first(body):
    trainee = learning(built(body), HEAD)
    assert trainee.body.trainable_weights == []
    assert len(trainee.model.trainable_weights) == 2


def test_layers_that_come_to_learn_later_do(body):
    trainee = learning(built(body), HEAD)
    assert len(learning(trainee, ALL).body.trainable_weights) == 3


@pytest.mark.parametrize(
    ("layers", "told"),
    [("blok2_conv", r"Did you mean block2_conv\?"), ("1.5", "Say 0.3 for the top 30 %")],
)
def test_layers_that_are_not_there_are_refused(body, layers, told):
    with pytest.raises(ConfigError, match=told):
        learning(built(body), layers=layers)


def moved(trainee):
    before = trainee.body.get_weights()
    for _ in range(2):
        trainee.model.train_on_batch(FILMS, {CLASSES: np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]})
    pairs = zip(trainee.body.weights, before, trainee.body.get_weights(), strict=True)
    return {weight.path for weight, old, new in pairs if (new != old).any()}


def test_batch_normalisation_of_a_network_that_has_learned_stays(body):
    told = moved(learning(built(body)))
    assert {path.split("/")[-1] for path in told} == {"kernel", "bias"}


def test_statistics_that_learn_soon_are_those_of_the_films(body):
    backbone = own.find(str(body), "tf")
    start = replace(weights.resolve("", backbone), kind="random")
    recipe = replace(RECIPE, batch_norm=True)
    trainee = network.build(backbone, start, recipe, 3)
    trainee.learn(ALL, recipe, optimisation.get_optimiser(recipe, 0.0, 100))
    for _ in range(40):
        trainee.model.train_on_batch(FILMS, {CLASSES: np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]})
    wanted = import_keras().ops.convert_to_numpy(trainee.features(FILMS, training=True))
    np.testing.assert_allclose(network.said(trainee.features, FILMS), wanted, rtol=0.05, atol=0.01)
    mean = import_keras().ops.convert_to_numpy(trainee.head.layers[0].moving_mean)
    np.testing.assert_allclose(mean, wanted.mean(axis=0), rtol=0.05, atol=0.01)


def test_layers_that_do_not_learn_stay(body):
    assert {path.split("/")[0] for path in moved(learning(built(body), layers="block2"))} == {
        "block2_conv"
    }


def test_statistics_of_a_network_that_starts_from_nothing_are_learned(body):
    backbone = own.find(str(body), "tf")
    nothing = replace(weights.resolve("", backbone), kind="random")
    trainee = learning(network.build(backbone, nothing, RECIPE, 3))
    assert {path.split("/")[-1] for path in moved(trainee)} >= {"gamma", "moving_mean"}
