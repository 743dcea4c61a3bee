"""Random weights in the layout of the official files, and Keras' own way to features from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.keras_backend import import_keras

IMAGENET = ((0.485, 0.456, 0.406), (0.229**2, 0.224**2, 0.225**2))
"""Mean and variance that EfficientNet's official files hold."""


def write_official(row: Backbone, path: Path, seed: int = 7) -> None:
    """Write weights as keras.applications' files have them."""
    keras = import_keras()
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    keras.utils.set_random_seed(seed)
    constructor = getattr(keras.applications, row.constructor)
    model = constructor(weights=None, include_top=False, input_shape=(*row.size_hw, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.adapt_mean.assign(np.asarray(IMAGENET[0], np.float32))
            layer.adapt_variance.assign(np.asarray(IMAGENET[1], np.float32))
            layer.finalize_state()
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def kerass_features(
    row: Backbone, path: Path, films: NDArray[np.uint8], monkeypatch: Any, pooling: str = "avg"
) -> NDArray[np.float32]:
    """Go the way of Keras' documentation, weights="imagenet", with `path` for the download."""
    keras = import_keras()
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))
    constructor = getattr(keras.applications, row.constructor)
    shape = (*row.size_hw, 3)
    model = constructor(
        weights="imagenet",
        include_top=False,
        input_shape=shape,
        pooling=None if pooling == "none" else pooling,
    )
    prepared = kerass_module(row).preprocess_input(films.astype(np.float32))
    features: NDArray[np.float32] = model.predict(prepared, verbose=0)
    return features.reshape(len(films), -1)


def kerass_module(row: Backbone) -> Any:
    """Find the module of keras.applications that a network comes from."""
    modules = {
        "ResNet50": "resnet50",
        "InceptionV3": "inception_v3",
        "VGG16": "vgg16",
        "VGG19": "vgg19",
        "ResNet152V2": "resnet_v2",
        "Xception": "xception",
        "DenseNet121": "densenet",
        "EfficientNetB0": "efficientnet",
        "MobileNetV2": "mobilenet_v2",
    }
    return getattr(import_keras().applications, modules[row.name])


def drawn_films(row: Backbone, count: int) -> NDArray[np.uint8]:
    """Draw smooth pictures of the network's size: noise alone would look all the same to it."""
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (count, 5, 5, 3)).astype(np.float32)
    resize = import_keras().ops.image.resize
    return np.asarray(resize(coarse, row.size_hw, "bilinear")).astype(np.uint8)
