"""A user's own Keras network on every host: its file by content, and rows through it in batches.

The file travels with the column function; each worker loads it once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.errors import ConfigError, InputError, WeightsError

BATCH = 32
SUFFIXES = (".keras", ".h5", ".hdf5")
MAGIC = {b"PK\x03\x04": ".keras", b"\x89HDF": ".h5"}
"""How the two kinds of files begin, and the suffix by which Keras knows them."""
Loader = Callable[[str], NDArray[Any]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KerasFile:
    """A saved network by its content, of use on every host."""

    name: str
    content: bytes = field(repr=False)


def is_keras_file(path: str | Path) -> bool:
    """Tell whether there is a file that begins as Keras' files do, whatever its suffix."""
    try:
        with Path(path).open("rb") as file:
            return file.read(4) in MAGIC
    except OSError:
        return False


def read_network(path: str) -> KerasFile:
    """Read a saved network on the driver.

    Raises:
        WeightsError: there is no such file, or it is no Keras network.
    """
    if not is_keras_file(path):
        way_out = "Save the whole network with model.save(), as .keras or .h5"
        raise WeightsError("a file with a Keras network", path, way_out)
    content = Path(path).read_bytes()
    suffix = MAGIC[content[:4]]
    if suffix == ".h5":
        with suppress(OSError, KeyError, ValueError):  # Keras will say what is wrong with it
            content = _with_input_layer(content)
    return KerasFile(f"{hashlib.sha256(content).hexdigest()}{suffix}", content)


def _with_input_layer(content: bytes) -> bytes:
    """Give a Sequential of Keras 2.2 or older the form that Keras 3 reads.

    Its first layer says what goes in, which Keras 3 takes for an input with one more axis; and
    where it is a bare list of layers, Keras 3 does not read it at all.
    """
    import h5py  # type: ignore[import-not-found,import-untyped,unused-ignore]

    file = BytesIO(content)
    with h5py.File(file, "r+") as saved:
        model = json.loads(saved.attrs["model_config"])
        if isinstance(model["config"], list):
            model["config"] = {"name": "sequential", "layers": model["config"]}
        layers = model["config"]["layers"]
        first = layers[0]["config"]
        if layers[0]["class_name"] == "InputLayer" or "batch_input_shape" not in first:
            return content
        films = {"batch_shape": first.pop("batch_input_shape"), "name": "films"}
        films["dtype"] = first.get("dtype", "float32")
        layers.insert(0, {"class_name": "InputLayer", "config": films})
        saved.attrs["model_config"] = json.dumps(model)
    return file.getvalue()


def save_network(model: Any) -> KerasFile:
    """Take a network that is in the driver's memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return read_network(str(path))


def load_network(file: KerasFile) -> Any:
    """Load the network, once for each Python worker.

    Raises:
        ConfigError: it has several inputs or outputs.
    """
    model = _loaded(str(cache_network(file)))
    for shapes in (model.input_shape, model.output_shape):
        if not isinstance(shapes, tuple):
            way_out = "Build a keras.Model of one of each"
            raise ConfigError("a network with one input and one output", str(shapes), way_out)
    return model


def cache_network(file: KerasFile) -> Path:
    """Put the network into this host's cache, under a name that is its digest."""
    target = cache_dir("networks") / file.name
    with locked(target):
        if not target.is_file() or digest(target) != target.stem:
            with whole(target) as half:
                half.write_bytes(file.content)
    return target


def predict_rows(
    model: Any, rows: Sequence[Any], prepare: Callable[[Any], NDArray[Any] | None]
) -> Iterator[NDArray[Any] | None]:
    """Run prepared rows in batches; what cannot be prepared keeps its place as None."""
    shape = model.input_shape[1:]
    for start in range(0, len(rows), BATCH):
        arrays = [prepare(row) for row in rows[start : start + BATCH]]
        yield from _answers(model, [a if a is None else shaped(a, shape) for a in arrays])


def _answers(model: Any, arrays: list[NDArray[np.float32] | None]) -> list[NDArray[Any] | None]:
    """Run arrays of one shape together: a network of unfixed size takes several."""
    found: list[NDArray[Any] | None] = [None] * len(arrays)
    for places in lots([array if array is None else array.shape for array in arrays]):
        together = np.stack([each for place in places if (each := arrays[place]) is not None])
        answers = np.asarray(model.predict_on_batch(together))
        for place, answer in zip(places, answers, strict=True):
            found[place] = answer
    return found


def lots(keys: Sequence[Hashable | None]) -> Iterable[list[int]]:
    """Put the places of equal keys together; what has none is in no lot."""
    found: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        if key is not None:
            found.setdefault(key, []).append(place)
    return found.values()


def shaped(array: NDArray[Any], shape: Sequence[int | None]) -> NDArray[np.float32]:
    """Take off a batch of 1, and check that the network takes what is left.

    Raises:
        InputError: it does not.
    """
    numbers = np.asarray(array, np.float32)
    if numbers.ndim == len(shape) + 1 and len(numbers) == 1:
        numbers = numbers[0]
    fits = [want in (None, have) for want, have in zip(shape, numbers.shape, strict=False)]
    if numbers.ndim != len(shape) or not all(fits):
        raise InputError(
            f"rows of shape {tuple(shape)} for the network", str(numbers.shape), "Reshape them"
        )
    return numbers


def loading(loader: Loader, skip: bool = True) -> Callable[[Any], NDArray[Any] | None]:
    """Make a loader that gives None where the user's own fails on an image, and logs why.

    A missing package or name is not the image's fault, and is raised. With `skip` false all is.
    """

    def load(uri: str | None) -> NDArray[Any] | None:
        restore_pillow_names()
        try:
            return None if uri is None else loader(uri)
        except (ImportError, NameError):
            raise
        except Exception as error:
            if not skip:
                raise
            logger.warning("no image from %s: %r", uri, error)
            return None

    return load


def restore_pillow_names() -> None:
    """Give back what image loaders of 2019 call, and Pillow 10 took away."""
    if not hasattr(Image, "ANTIALIAS"):
        setattr(Image, "ANTIALIAS", Image.Resampling.LANCZOS)  # noqa: B010 - mypy knows no such name


@lru_cache(maxsize=3)
def _loaded(path: str) -> Any:
    return keras_model.load(path)
