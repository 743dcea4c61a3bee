"""A user's whole Keras network on the workers: its file travels with the column function."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.errors import ConfigError, InputError, WeightsError

BATCH = 32
SUFFIXES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class KerasFile:
    """A saved network by its content, of use on every host."""

    name: str
    content: bytes = field(repr=False)


def read(path: str) -> KerasFile:
    """Read a saved network on the driver.

    Raises:
        WeightsError: there is no such file.
    """
    file = Path(path)
    if not file.is_file() or file.suffix not in SUFFIXES:
        way_out = f"Save the whole network with model.save(), as {', '.join(SUFFIXES)}"
        raise WeightsError("a file with a Keras network", path, way_out)
    content = file.read_bytes()
    suffix = ".h5" if file.suffix == ".hdf5" else file.suffix
    return KerasFile(f"{hashlib.sha256(content).hexdigest()}{suffix}", content)


def save(model: Any) -> KerasFile:
    """Take a network that is in the driver's memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return read(str(path))


def on_this_worker(file: KerasFile) -> Any:
    """Load the network, once for each Python worker."""
    return _loaded(str(kept(file)))


def kept(file: KerasFile) -> Path:
    """Put the network into this host's cache, under a name that is its digest."""
    target = cache_dir("networks") / file.name
    with locked(target):
        if not target.is_file() or digest(target) != target.stem:
            with whole(target) as half:
                half.write_bytes(file.content)
    return target


def size_hw(model: Any) -> tuple[int, int]:
    """Say what height and width the network takes."""
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ConfigError("a network with one input of fixed size", str(shape), "Fix its Input")
    return int(shape[1]), int(shape[2])


def predict(
    model: Any, rows: Sequence[Any], prepare: Callable[[Any], NDArray[Any] | None]
) -> Iterator[list[float] | None]:
    """Run prepared rows in batches; what cannot be prepared keeps its place as None."""
    shape = model.input_shape[1:]
    for start in range(0, len(rows), BATCH):
        arrays = [prepare(row) for row in rows[start : start + BATCH]]
        good = [shaped(array, shape) for array in arrays if array is not None]
        made = iter(np.asarray(model.predict_on_batch(np.stack(good))) if good else ())
        yield from (None if a is None else next(made).ravel().tolist() for a in arrays)


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


@lru_cache(maxsize=3)
def _loaded(path: str) -> Any:
    return keras_model.load(path)
