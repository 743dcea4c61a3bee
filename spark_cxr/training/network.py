"""The network that learns: a body with its normalising in front and a new head behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.training import devices, optimisation
from spark_cxr.training.recipe import Recipe

CLASSES, MEMORY = "classes", "memory"
"""What comes out: margins of the classes, and what is left of what the network said before."""
HEAD, ALL, CALM = "head", "all", "calm"
"""The phases: the head learns alone, then also the layers that the recipe names, and at last these
learn from films as they are, so that the network fits what it will be asked about."""
REMEMBERED = 0.9
"""How much of its statistics a BatchNormalization that learns keeps from batch to batch. With the
0.999 that MobileNet brings, they would still be those it began with after a few epochs."""


@dataclass(frozen=True)
class Trainee:
    """A network that learns, and its parts."""

    model: Any
    """uint8 films (n, height, width, 1) → margins, and the memory where the recipe wants one."""
    features: Any
    """The same films → vectors, without the head."""
    body: Any
    head: Any
    policy: str
    """Keras' name for the precision of the body."""
    has_learned: bool
    """The body brings statistics of its own."""
    of_findings: bool = False
    """Each margin is of a finding, by itself."""

    def learn(self, phase: str, recipe: Recipe, optimiser: Any) -> None:
        """Let those layers learn that do in this phase, with a new optimiser."""
        leaves = list(_leaves(self.body))
        first = len(leaves) if phase == HEAD else first_learning(leaves, recipe.layers)
        self.body.trainable = True
        for number, leaf in enumerate(leaves):
            leaf.trainable = number >= first and not (self.has_learned and _is_normalising(leaf))
        outputs = (CLASSES, MEMORY) if recipe.distil else (CLASSES,)
        losses = (optimisation.get_loss(recipe, self.of_findings), optimisation.distance)
        self.model.compile(
            optimizer=optimiser,
            loss=dict(zip(outputs, losses, strict=False)),
            loss_weights=dict(zip(outputs, (1.0, recipe.distil), strict=False)),
            weighted_metrics={CLASSES: [optimisation.get_hits(self.of_findings)]},
            jit_compile=False,
        )

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the average of the weights that the optimiser keeps, where it does, for a while."""
        variables, read = self.model.trainable_variables, import_keras().ops.convert_to_numpy
        last = [np.copy(read(variable)) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, last, strict=True):
                variable.assign(value)


def build(backbone: Backbone, weights: Weights, recipe: Recipe, classes: int) -> Trainee:
    """Build the network that a recipe trains, with the weights that it starts from.

    A network that has learned keeps its BatchNormalization as it is: the statistics of batches of
    few films would spoil it. One that starts from nothing has none to keep.
    """
    keras = import_keras()
    plain = keras_model.build(backbone, weights)
    policy = devices.policy_for(recipe.precision, _leaves(plain))
    body = keras_model.in_policy(plain, policy)
    films, vectors = _seen(body, backbone.normalising)
    head = _head(recipe, int(vectors.shape[-1]), classes)
    for leaf in filter(_is_normalising, (*_leaves(body), *_leaves(head))):
        leaf.momentum = min(leaf.momentum, REMEMBERED)
    outputs = {CLASSES: head(vectors)}
    if recipe.distil:
        memory = keras.layers.Dense(int(vectors.shape[-1]), dtype="float32", name=MEMORY)
        outputs[MEMORY] = memory(vectors)
        keras_model.draw_weights(memory, recipe.seed + 1)
    model, features = keras.Model(films, outputs), keras.Model(films, vectors)
    return Trainee(model, features, body, head, policy, has_learned=weights.kind != "random")


def _seen(body: Any, normalising: str) -> tuple[Any, Any]:
    """Put normalising before the body and pooling behind it, and give both ends."""
    keras = import_keras()
    height, width, channels = body.input_shape[1:]
    films = keras.Input((height, width, 1), dtype="uint8", name="films")
    levels = keras.ops.cast(films, "float32")
    grey = keras.ops.repeat(levels, channels, axis=-1) if channels > 1 else levels
    maps = body(keras_model.normalise(grey, normalising))
    return films, keras_model.pool(keras.ops.cast(maps, "float32"), "avg")


def _head(recipe: Recipe, dim: int, classes: int) -> Any:
    """Build dense layers with ReLU and dropout; the last gives margins."""
    keras = import_keras()
    layers = keras.layers
    head = keras.Sequential([keras.Input((dim,))], name="head")
    if recipe.batch_norm and not recipe.head:
        head.add(layers.BatchNormalization(dtype="float32"))
    for number, units in enumerate(recipe.head):
        head.add(layers.Dense(units, dtype="float32"))
        if recipe.batch_norm:
            head.add(layers.BatchNormalization(dtype="float32"))
        head.add(layers.ReLU(dtype="float32"))
        head.add(layers.Dropout(recipe.dropout, seed=recipe.seed + number, dtype="float32"))
    if not recipe.head:
        head.add(layers.Dropout(recipe.dropout, seed=recipe.seed, dtype="float32"))
    keras_model.draw_weights(head, recipe.seed)
    # From 0 all classes are equally likely at first, however large the features of a network are.
    head.add(layers.Dense(classes, kernel_initializer="zeros", dtype="float32"))
    return head


def first_learning(leaves: list[Any], wanted: str) -> int:
    """Find the first layer that learns: all, none, a share from the top, or a name's beginning.

    Raises:
        ConfigError: no layer is called so.
    """
    if wanted in ("all", "none"):
        return 0 if wanted == "all" else len(leaves)
    if (share := _share(wanted)) is not None:
        weighted = [
            number
            for number, leaf in enumerate(leaves)
            if leaf.weights and not _is_normalising(leaf)
        ]
        count = round(share * len(weighted))
        return weighted[-count] if count else len(leaves)
    for number, leaf in enumerate(leaves):
        if leaf.name.startswith(wanted):
            return number
    names = tuple(leaf.name for leaf in leaves if leaf.weights)
    expected = "finetune.layers as all, none, a share like 0.3, or the name of a layer or block"
    raise ConfigError(expected, wanted, nearest(wanted, names))


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    if not 0 <= share <= 1:
        raise ConfigError("a share of the layers from 0 to 1", text, "Say 0.3 for the top 30 %")
    return share


def _leaves(model: Any) -> Iterator[Any]:
    """Give the layers in their order, those of networks inside the network too."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _leaves(layer)
        else:
            yield layer


def _is_normalising(layer: Any) -> bool:
    """Tell a layer that counts as a part of the one before it."""
    return isinstance(layer, import_keras().layers.BatchNormalization)


def said(model: Any, films: NDArray[np.uint8]) -> Any:
    """Ask without learning; arrays come out."""
    keras = import_keras()
    return keras.tree.map_structure(np.asarray, model.predict_on_batch(films))


def check_layers(backbone: Backbone, layers: str) -> None:
    """Refuse layers that the network does not have; it is built only where a name is to be found.

    Raises:
        ConfigError: no layer is called so.
    """
    if layers in ("all", "none") or _share(layers) is not None:
        return
    body = keras_model.load(backbone.file) if backbone.file else keras_model.untrained(backbone)
    first_learning(list(_leaves(body)), layers)
