"""SqueezeNet with ImageNet's weights → the network that CXRNet is before it has seen a film.

    python -m benchmarks.cxrnet.start SQUEEZENET.keras BEGIN.keras

Its maps are of two kinds, 128 each: the texture that fire3 sees, averaged down to the cells of the
deep maps, and what a convolution makes of those deep maps. Frozen on films of other hospitals the
texture tells more than the deep maps do (Ozturk's three classes by patient, logistic regression:
85.4 % for fire3 alone, 81.5 % for fire9), and with both the deep half is free to learn findings.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.cxrnet.grey import to_grey
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import load

TEXTURE = "concatenate_1"
"""SqueezeNet's name for what fire3 gives: 55 x 55 x 128."""
DEEP = 128
WINDOW, STEP = 7, 4
"""Of the averaging: its cells then lie where those of the deep maps do, at 16 i + 15 pixels."""
MAPS = "maps"


def begin(squeezenet: Any, normalising: str, seed: int = 0) -> Any:
    """Build it: one channel in, 13 x 13 x 256 out."""
    keras = import_keras()
    grey = to_grey(squeezenet, normalising)
    averaging = keras.layers.AveragePooling2D(WINDOW, STEP, name="texture")
    texture = averaging(grey.get_layer(TEXTURE).output)
    drawn = keras.initializers.HeNormal(seed)
    findings = keras.layers.Conv2D(
        DEEP, 1, activation="relu", kernel_initializer=drawn, name="findings"
    )
    maps = keras.layers.Concatenate(name=MAPS)([texture, findings(grey.output)])
    return keras.Model(grey.input, maps, name="cxrnet")


def main() -> None:
    """Read SqueezeNet's file and write the network's."""
    source, target = sys.argv[1:]
    row = own.read_own(Path(source), "")
    begin(load(source), row.normalising).save(target)


if __name__ == "__main__":
    main()
