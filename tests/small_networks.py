"""Networks that learn in a second, for tests that need one which is not the fake."""

from pathlib import Path

SIDE = 32


def save_small_network(folder: Path) -> Path:
    """Save two small convolutions with normalisation between them: (32, 32, 3) to maps of 10."""
    from spark_cxr.backbones.keras_backend import import_keras
    from spark_cxr.backbones.keras_model import draw_weights

    keras = import_keras()
    layers = keras.layers
    films = keras.Input((SIDE, SIDE, 3))
    maps = layers.Conv2D(6, 3, strides=2, use_bias=False, name="block1_conv")(films)
    maps = layers.BatchNormalization(name="block1_bn")(maps)
    maps = layers.ReLU(name="block1_out")(maps)
    maps = layers.Conv2D(10, 3, strides=2, activation="relu", name="block2_conv")(maps)
    model = keras.Model(films, maps)
    draw_weights(model, 3)
    model.save(folder / "small.keras")
    return folder / "small.keras"
