"""A row of the catalog and its weights → a Keras model from uint8 films to feature vectors."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.weights import Weights, embedded_file
from spark_cxr.errors import ConfigError, WeightsError

POOLINGS = ("avg", "max", "none")
CAFFE_MEAN = (103.939, 116.779, 123.68)
"""Mean of ImageNet, blue first, as Caffe's networks subtract it."""
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)


def build(backbone: Backbone, weights: Weights) -> Any:
    """Build the network with its weights: normalised films in, maps (or vectors) out."""
    if backbone.file:
        return load(backbone.file)
    if weights.kind == "embedded":
        return load(weights.path)
    model = untrained(backbone)
    if weights.kind == "random":
        draw_weights(model, weights.seed)
    else:
        load_weights(model, backbone, weights)
    return model


def untrained(backbone: Backbone) -> Any:
    """Build a network of the catalog that has learned nothing."""
    keras = import_keras()
    if backbone.embedded:
        return keras.models.clone_model(load(str(embedded_file(backbone.embedded))))
    height, width = backbone.size_hw
    constructor = getattr(keras.applications, backbone.constructor)
    return constructor(weights=None, include_top=False, input_shape=(height, width, 3))


def load(path: str) -> Any:
    """Open a Keras file; one that would bring code along is refused."""
    keras = import_keras()
    try:
        with _nothing_skipped():
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, UserWarning) as error:
        way_out = "Networks with Lambda layers or classes of their own are not opened"
        raise WeightsError("a Keras file of known layers", _brief(path, error), way_out) from None


def compose(model: Any, normalising: str, pooling: str) -> Any:
    """Put the normalising before the network and the pooling behind it."""
    keras = import_keras()
    films = keras.Input(model.input_shape[1:], dtype="uint8", name="films")
    maps = model(normalise(keras.ops.cast(films, "float32"), normalising))
    return keras.Model(films, keras.ops.cast(pool(maps, pooling), "float32"))


def compose_with_maps(model: Any, normalising: str, pooling: str = "avg") -> Any:
    """Compose so that each row of the output is a vector and, behind it, the maps that it means.

    In one array, HWC order: a batch that has to be halved is then put together like any other.
    """
    keras = import_keras()
    both = keras.Model(model.inputs, [pool(model.output, pooling), last_maps(model)])
    films = keras.Input(model.input_shape[1:], dtype="uint8", name="films")
    vectors, maps = both(normalise(keras.ops.cast(films, "float32"), normalising))
    flat = keras.ops.cast(keras.layers.Flatten()(maps), "float32")
    return keras.Model(films, keras.ops.concatenate([keras.ops.cast(vectors, "float32"), flat], 1))


def last_maps(model: Any) -> Any | None:
    """Find the maps whose mean the vector is: what comes out, or what is pooled at the end."""
    keras = import_keras()
    if len(model.output.shape) == 4:
        return model.output
    last = model.output._keras_history.operation
    is_mean = isinstance(last, keras.layers.GlobalAveragePooling2D)
    is_known = is_mean and last.data_format == "channels_last"
    return last.input if is_known else None


def normalise(films: Any, mode: str) -> Any:
    """Do what the `preprocess_input` of a network's module in keras.applications does.

    Or, of grey films with one channel, what our own network was trained with.
    """
    ops = import_keras().ops
    if mode.startswith("{"):
        return _by_card(films, json.loads(mode))
    if mode == "caffe":
        return ops.flip(films, axis=-1) - np.asarray(CAFFE_MEAN, np.float32)
    if mode == "tf":
        return films / 127.5 - 1.0
    if mode == "torch":
        scaled = films / 255.0 - np.asarray(TORCH_MEAN, np.float32)
        return scaled / np.asarray(TORCH_STD, np.float32)
    return (films - 127.5) / 64.0 if mode == "grey" else films


def _by_card(films: Any, said: Mapping[str, Any]) -> Any:
    """Do what a card says (`card.arithmetic`)."""
    ops = import_keras().ops
    if said["order"] == "bgr":
        films = ops.flip(films, axis=-1)
    mean, std = (np.asarray(said[name], np.float32) for name in ("mean", "std"))
    scaled = films * np.float32(said["scale"]) + np.float32(said["offset"])
    return (scaled - mean) / std


def pool(maps: Any, pooling: str) -> Any:
    """Turn maps into vectors: their average, their maximum, or all of them in HWC order."""
    keras = import_keras()
    if len(maps.shape) == 2:
        if pooling != "avg":
            way_out = "Leave pooling at avg: this network pools by itself"
            raise ConfigError("no pooling for a network that gives vectors", pooling, way_out)
        return maps
    if len(maps.shape) != 4:
        way_out = "Save it up to its last maps, or with pooling"
        raise ConfigError("maps or vectors from the network", f"shape {maps.shape}", way_out)
    if pooling == "none":
        return keras.layers.Flatten()(maps)
    axes = (1, 2)
    return keras.ops.mean(maps, axes) if pooling == "avg" else keras.ops.max(maps, axes)


def in_policy(model: Any, policy: str) -> Any:
    """Build a network again with layers that compute in the given policy; inner networks too."""
    keras = import_keras()

    def again(layer: Any) -> Any:
        config = layer.get_config()
        with suppress(KeyError):
            del config["dtype"]
        return type(layer).from_config({**config, "dtype": policy})

    remade = keras.models.clone_model(model, clone_function=again, recursive=True)
    remade.set_weights(model.get_weights())
    return remade


def load_weights(model: Any, backbone: Backbone, weights: Weights) -> None:
    """Load official or own weights, or say which layers they do not fit."""
    try:
        with _nothing_skipped():
            model.load_weights(weights.path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        way_out = f"The file must hold {backbone.name} without its classifier"
        received = _brief(weights.path, error)
        raise WeightsError(f"weights of {backbone.name}", received, way_out) from None
    if weights.kind == "imagenet" and backbone.constructor.startswith("EfficientNet"):
        _correct_efficientnet(model)


@contextmanager
def _nothing_skipped() -> Iterator[None]:
    """Turn it into an error when Keras leaves layers as they were drawn and only warns of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping", UserWarning)
        yield


def _correct_efficientnet(model: Any) -> None:
    """Divide by the square root of the deviation once more, as Keras does with these files.

    keras.applications adds a Rescaling layer for weights="imagenet" only (TensorFlow issue
    49930). The same factor in the variance of the layer before it gives the same network.
    """
    keras = import_keras()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            variance = keras.ops.convert_to_numpy(layer.adapt_variance)
            layer.adapt_variance.assign(variance * np.asarray(TORCH_STD, variance.dtype))
            layer.finalize_state()


def draw_weights(model: Any, seed: int) -> None:
    """Draw Glorot-uniform kernels, the same on every Keras backend; the rest stays as built."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "kernel" in variable.path.rsplit("/", 1)[-1]:
            *window, inputs, outputs = variable.shape
            limit = np.sqrt(6 / (np.prod(window) * (inputs + outputs)))
            variable.assign(rng.uniform(-limit, limit, variable.shape).astype(np.float32))


def _brief(path: str, error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{path} ({first[:200]})"
