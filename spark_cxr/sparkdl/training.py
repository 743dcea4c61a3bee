"""Training of a user's whole network on loaded images, in the driver's process, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spark_cxr.backbones import keras_model
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import InputError
from spark_cxr.sparkdl import keras_file
from spark_cxr.training.cache import SPREAD, Arrays, CachedFilms, Draw, Read

BATCH = 32
"""Keras' own default."""
OURS = ("batch_size", "shuffle", "validation_split")
"""What of the arguments of `Model.fit` decides which rows are read when: done here."""
NOT_OFFERED = ("x", "y", "sample_weight", "steps_per_epoch", "validation_steps")
"""What of them speaks of arrays in memory, or cuts epochs short."""


@dataclass(frozen=True)
class Training:
    """A network's file, and how it is to be trained."""

    file: str
    optimizer: Any
    loss: Any
    fit_params: Mapping[str, Any]
    seed: int


def train(training: Training, images: CachedFilms) -> Path:
    """Train the network, and keep it in the cache of this host under the digest of its file."""
    keras = import_keras()
    keras.utils.set_random_seed(training.seed)
    model = keras_model.load(training.file)
    model.compile(optimizer=_fresh(training.optimizer), loss=training.loss)
    learn, check = draws(training, images.count)
    given = {name: value for name, value in training.fit_params.items() if name not in OURS}
    if check is not None:
        given["validation_data"] = dataset(check, images.read)
    model.fit(dataset(learn, images.read), shuffle=False, **given)
    trained = keras_model.load(training.file)  # without the optimizer's state, thrice as large
    trained.set_weights(model.get_weights())
    return keras_file.kept(keras_file.save(trained))


def draws(training: Training, count: int) -> tuple[Draw, Draw | None]:
    """Say which rows train, and which are kept out for validation: the last, as with Keras."""
    given = training.fit_params
    size, shuffle = given.get("batch_size") or BATCH, bool(given.get("shuffle", True))
    learning = int(count * (1 - given.get("validation_split", 0.0)))
    if not learning:
        raise InputError("rows to train on", f"{count} rows", "Lower validation_split")
    learn = Draw(0, learning, size, shuffle, training.seed)
    check = Draw(learning, count, size, False, training.seed)
    return learn, check if learning < count else None


def dataset(draw: Draw, read: Read) -> Any:
    """Make what Keras takes batches from; only one window of them is in memory."""
    base: Any = import_keras().utils.PyDataset

    class Batches(base):
        def __init__(self) -> None:
            super().__init__()
            self.epoch = 0
            self.held: tuple[tuple[int, int], list[Arrays]] = ((-1, -1), [])

        def __len__(self) -> int:
            return draw.steps

        def __getitem__(self, step: int) -> Arrays:
            where = (self.epoch, step // SPREAD)
            if self.held[0] != where:
                self.held = ((-1, -1), [])  # let go first: else two windows are in memory
                self.held = (where, draw.window(read, *where))
            return self.held[1][step % SPREAD]

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Batches()


def _fresh(optimizer: Any) -> Any:
    """Give an optimizer that has not trained anything yet: Keras lets each serve one network."""
    if isinstance(optimizer, str):
        return optimizer
    return type(optimizer).from_config(optimizer.get_config())
