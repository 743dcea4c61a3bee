"""A network of lungs that has learned some films."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lungs.changes import changed
from benchmarks.lungs.films import Outlined
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.images.lungs import CELLS, DEEP, DOWN, LAST, LAYERS, SIDE, UP, LungNetwork
from spark_cxr.images.small_network import MIDDLE, UNIT

DEPTHS = {"down1": 12, "down2": 24, "down3": 64, "down4": 112, "deep": 112, "up3": 64, "up2": 32}
DEPTHS |= {"up1": 12}
BATCH, RATE, SEED, THREADS = 32, 0.002, 24, 2
FILMS_AN_EPOCH = 3200
AVERAGE = 0.998
"""Of the weights that ship: the mean of about the last 500 steps."""


def learned_network(films: Outlined, epochs: int, file: Path) -> LungNetwork:
    """Train on these films, or read what was trained before."""
    keras = import_keras()
    if file.is_file():
        return _arrays(keras.saving.load_model(file, compile=False))
    model = _network()
    steps = FILMS_AN_EPOCH // BATCH
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * steps, warmup_target=RATE,
                                                  warmup_steps=steps // 2)  # fmt: skip
    optimiser = keras.optimizers.AdamW(rate, weight_decay=1e-4, use_ema=True, ema_momentum=AVERAGE)
    model.compile(optimizer=optimiser, loss=_loss)
    for epoch in range(epochs):
        losses = [float(model.train_on_batch(*batch)) for batch in _batches(films, epoch)]
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.4f}", flush=True)
    optimiser.finalize_variable_values(model.trainable_variables)
    file.parent.mkdir(parents=True, exist_ok=True)
    model.save(file)
    return _arrays(model)


def _network() -> Any:
    """Build a U-Net: four steps down, three up, each beside the maps of its size."""
    keras = import_keras()

    def layer(maps: Any, name: str, stride: int = 1) -> Any:
        return keras.layers.Conv2D(
            DEPTHS[name], 3, stride, padding="same", activation="relu", name=name,
            kernel_initializer=keras.initializers.HeNormal(SEED + LAYERS.index(name)),
        )(maps)  # fmt: skip

    films = keras.Input((SIDE, SIDE, 1))
    maps, beside = (films - MIDDLE) / UNIT, []
    for name in DOWN:
        maps = layer(maps, name, 2)
        beside.append(maps)
    maps = layer(maps, DEEP)
    for name, before in zip(UP, beside[-2::-1], strict=True):
        doubled = keras.layers.UpSampling2D()(maps)
        maps = layer(keras.layers.Concatenate()([doubled, before]), name)
    margins = keras.layers.Conv2D(1, 1, name=LAST)(maps)
    return keras.Model(films, margins)


def _loss(truth: Any, margins: Any) -> Any:
    """Add what each cell says against the truth, and how far the whole is from overlapping it."""
    ops = import_keras().ops
    cells = ops.mean(ops.softplus(margins) - truth * margins)
    shares = ops.sigmoid(margins)
    both = ops.sum(shares * truth, axis=(1, 2, 3))
    whole = ops.sum(shares + truth, axis=(1, 2, 3))
    return cells + ops.mean(1 - (2 * both + 1) / (whole + 1))


def _batches(films: Outlined, epoch: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Draw films of an epoch, and change them in threads ahead of the network."""
    order = np.random.default_rng([SEED, epoch]).integers(0, len(films.films), FILMS_AN_EPOCH)

    def batch(start: int) -> tuple[NDArray[Any], NDArray[Any]]:
        pairs = [
            changed(films.films[row], films.lungs[row], np.random.default_rng([SEED, epoch, place]))
            for place, row in enumerate(order[start : start + BATCH], start)
        ]
        shown, lungs = (np.stack(each).astype(np.float32) for each in zip(*pairs, strict=True))
        return shown[..., None], _cells(lungs)[..., None]

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(batch, range(0, FILMS_AN_EPOCH, BATCH))


def _cells(lungs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Say how much of each cell lies on a lung."""
    step = SIDE // CELLS
    parts = lungs.reshape(len(lungs), CELLS, step, CELLS, step)
    return np.asarray(parts.mean(axis=(2, 4)) / 255, np.float32)


def _arrays(model: Any) -> LungNetwork:
    """Take the arrays out, rounded as they are shipped."""
    half = [[np.float32(np.float16(a)) for a in model.get_layer(n).get_weights()] for n in LAYERS]
    return LungNetwork({name: tuple(pair) for name, pair in zip(LAYERS, half, strict=True)})  # type: ignore[misc]
