"""A Keras network as a function of SQL, from an image struct to an array of numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Row
from pyspark.sql.functions import pandas_udf

from spark_cxr.errors import BadImage, ConfigError
from spark_cxr.images.prepare import to_channels
from spark_cxr.images.structs import FIELDS, StructPreparation, to_film
from spark_cxr.sparkdl.imageIO import imageStructToPIL, session_of_context
from spark_cxr.sparkdl.imagenet import VECTOR
from spark_cxr.sparkdl.keras_network import (
    KerasFile,
    Loader,
    load_network,
    predict_rows,
    read_network,
    restore_pillow_names,
    save_network,
)

AnyRow = tuple[Any, ...]
Shape = tuple[int | None, ...]


def register_keras_image_udf(
    udf_name: str, keras_model_or_file_path: Any, preprocessor: Loader | None = None
) -> Any:
    """Register a Keras network as a SQL function from an image struct to an array of numbers.

    Args:
        udf_name: Its name in SQL, in the active session.
        keras_model_or_file_path: A network, or the file of one.
        preprocessor: Makes the network's input from the path of an image file: each image is
            written to one, as sparkdl did. Without it the network gets the pixels, red first,
            0 to 255: resized to its input, or as they are where its input is of any size; grey
            where it takes one channel.

    Returns:
        The same function for columns.
    """
    given = keras_model_or_file_path
    is_path = isinstance(given, str | Path)
    file = read_network(str(given)) if is_path else save_network(given)
    function = _over_images(file, preprocessor)
    return session_of_context().udf.register(udf_name, function)


registerKerasImageUDF = register_keras_image_udf


def _over_images(file: KerasFile, preprocessor: Loader | None) -> Any:
    @pandas_udf(VECTOR)
    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        model = load_network(file)
        height, width, channels = (None, None, 3) if preprocessor else _sides(model.input_shape)

        def prepare(row: AnyRow) -> NDArray[Any] | None:
            try:
                if preprocessor is not None:
                    return _by_file(row, preprocessor)
                film = to_film(row, (height, width), StructPreparation())
                return to_channels(film[None], channels)[0]
            except BadImage:
                return None

        for images in batches:
            rows = list(zip(*(images[name] for name in FIELDS), strict=True))
            found = predict_rows(model, rows, prepare)
            made = [None if array is None else array.ravel().tolist() for array in found]
            yield pd.Series(made, dtype=object)

    return run


def _sides(shape: Shape) -> tuple[int | None, int | None, int]:
    if len(shape) != 4 or shape[3] not in (1, 3):
        expected = "a network that takes images of 1 or 3 channels"
        raise ConfigError(expected, str(shape), "Give a preprocessor")
    return shape[1], shape[2], shape[3]


def _by_file(row: AnyRow, preprocessor: Loader) -> NDArray[Any]:
    to_film(row, (1, 1), StructPreparation())  # refuses what holds no image
    height, width, channels, mode = (int(number) for number in row[:-1])
    struct = Row(height=height, width=width, nChannels=channels, mode=mode, data=row[-1])
    restore_pillow_names()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "image.png")
        imageStructToPIL(struct).save(path)
        return np.asarray(preprocessor(path))
