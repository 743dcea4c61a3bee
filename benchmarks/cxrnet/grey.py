"""A network for colour pictures → the same network for grey films, of one channel.

On grey films both give the same features: the three kernels of the first layer are added up, and
what the normalising takes away from each channel goes into its bias. That is exact because the
layer pads nothing: no pixel that it sees is anything but a pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import last_maps, normalise
from spark_cxr.errors import ConfigError

MIDDLE, SPREAD = 127.5, 64.0
"""Of `normalise(films, "grey")`, which gives the new network its input."""


def to_grey(model: Any, normalising: str) -> Any:
    """Build the network of one channel, up to its last maps."""
    keras, first = import_keras(), model.layers[1]
    if not (isinstance(first, keras.layers.Conv2D) and first.padding == "valid" and first.use_bias):
        received = f"{type(first).__name__} {first.name}"
        way_out = "Only such a layer can be made grey without a change of what it sees"
        raise ConfigError("a first Conv2D that pads nothing and has a bias", received, way_out)
    films = keras.Input((*model.input_shape[1:3], 1), name="films")
    copy = keras.models.clone_model(model, input_tensors=films)
    kernel, bias, *others = model.get_weights()
    copy.set_weights([*_folded(kernel, bias, normalising), *others])
    return keras.Model(copy.input, last_maps(copy), name="grey")


def _folded(kernel: Any, bias: Any, normalising: str) -> tuple[Any, Any]:
    """Put what the normalising does to each channel into kernel and bias."""
    levels = np.full((2, 1, 1, 3), MIDDLE, np.float32)
    levels[1] += SPREAD
    middle, above = np.asarray(normalise(levels, normalising), np.float64).reshape(2, 3)
    weighed = kernel * (above - middle)[:, None]
    shift = (kernel * middle[:, None]).sum(axis=(0, 1, 2))
    return weighed.sum(axis=2, keepdims=True), bias + shift
