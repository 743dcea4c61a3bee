"""A model directory as MLflow's python_function: rows with an image in, rows with a label out.

MLflow calls `_load_pyfunc`, which it finds by the name of this module. So a logged model is the
model directory and nothing else: no pickle, no copy of any code, only a need of spark_cxr.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spark_cxr.errors import BadImage, InputError
from spark_cxr.model.exchange import IMAGE, from_base64, from_data_uri, kinds, row
from spark_cxr.model.model import Model, load_model
from spark_cxr.model.predictor import Prediction
from spark_cxr.output import locate

AT_ONCE = 256
"""Images that are held in memory at a time."""
MOST_BYTES = 256 * 1024 * 1024
"""As ingest.max_bytes has it."""


@dataclass(frozen=True)
class PyfuncModel:
    """A model with the one method that MLflow calls."""

    model: Model

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Look at the images of a table: a row out for each row in, in order.

        Args:
            model_input: A column `image`: for each film a path, an address, base64, or bytes.
            params: Of MLflow; there are none.

        Returns:
            `label`, `confidence`, one `probability_LABEL` for each label, and `reason`, which is
            null for a good film. For a bad image, and for what is no X-ray, all others are null.
            Of a model that has sets also one `verdict_LABEL` for each.
        """
        if IMAGE not in model_input.columns:
            received = ", ".join(map(str, model_input.columns)) or "no column"
            raise InputError(f"a column {IMAGE}", received, "Give a path or base64 in it")
        images = list(model_input[IMAGE])
        parts = (images[at : at + AT_ONCE] for at in range(0, len(images), AT_ONCE))
        what = self.model.labels, self.model.manifest.has_verdicts
        rows = [row(each, *what) for part in parts for each in predictions_of(self.model, part)]
        # Of type object: in others a null is NaN, which is no JSON.
        return pd.DataFrame(rows, columns=list(kinds(*what)), dtype=object)


def _load_pyfunc(path: str) -> PyfuncModel:
    """Open the logged model directory for MLflow."""
    return PyfuncModel(load_model(path))


def predictions_of(model: Model, images: Sequence[Any]) -> Iterator[Prediction]:
    """Predict each image, wherever it is; one that cannot be had says why, like a bad one."""
    contents = [content_of(image) for image in images]
    predictions = iter(model.predict([each for each in contents if isinstance(each, bytes)]))
    for each in contents:
        yield Prediction(bad=each) if isinstance(each, BadImage) else next(predictions)


def content_of(image: Any) -> bytes | BadImage:
    """Get the bytes of an image that is given as a path, an address, base64, or bytes.

    What names a file is a path, also where it could be read as base64: `films/IM0001` can.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, str) or not image.strip():
        return BadImage("empty", "no image in this row")
    if found := from_data_uri(image):
        return found
    is_place = "://" in image or image.startswith(("file:", "dbfs:")) or _is_file(image)
    return (None if is_place else from_base64(image)) or _read(image)


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)  # noqa: PTH113
    except (OSError, ValueError):
        return False


def _read(address: str) -> bytes | BadImage:
    try:
        store, inside = locate(address)
        with store.open_input_stream(inside) as stream:
            content = bytes(stream.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:  # what pyarrow does not understand is a ValueError
        return BadImage("unreadable", f"neither base64 nor a file: {error}"[:300])
    if len(content) > MOST_BYTES:
        return BadImage("too_large", f"more than {MOST_BYTES} bytes")
    return content


def example(min_side: int) -> pd.DataFrame:
    """Draw a film that is as small as a model takes it: a table for `predict`, in base64."""
    from spark_cxr.phantoms import phantoms

    drawn = next(phantoms(1, seed=0, size=max(64, min_side), formats=("png",)))
    return pd.DataFrame({IMAGE: [base64.b64encode(drawn.data).decode("ascii")]})
