"""A gate that has learned some of the pictures, with the code that fine-tunes networks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from benchmarks.gate.pictures import Pictures
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones import weights
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import load
from spark_cxr.heads.portable.linear import Linear
from spark_cxr.images.gate import SIDE, STRIDES, GateNetwork
from spark_cxr.training.cache import CachedFilms, open_cache
from spark_cxr.training.loop import train
from spark_cxr.training.recipe import Augment, Recipe
from spark_cxr.training.task import Task

LABELS = ("no chest film", "chest film")
KERNELS, CHANNELS = (5, 3, 3, 3, 3, 3), (16, 32, 48, 64, 96, 128)
VALIDATED = 10
"""One picture in so many says which epoch is the best, and where the limit lies."""
ALLOWED = 0.005
"""Share of the chest films of that tenth that the limit refuses."""
GROUP = 512
RECIPE = Recipe(
    seed=24,
    head=(),
    dropout=0.2,
    batch_norm=False,
    layers="all",
    warm_epochs=0,
    epochs=9,
    calm_epochs=0,
    batch_size=128,
    learning_rate=0.001,
    warm_learning_rate=0.001,
    optimiser="adamw",
    schedule="cosine",
    weight_decay=1e-3,
    average=0.0,
    loss="crossentropy",
    label_smoothing=0.02,
    focal_gamma=2.0,
    balance="weights",
    best_by="last",
    patience=0,
    distil=0.0,
    refit=False,
    precision="f32",
    augment=Augment(
        zoom=0.1,
        shift=0.04,
        rotation=6.0,
        brightness=0.08,
        contrast=0.2,
        gamma=0.25,
        noise=0.04,
        erase=0.5,
        mirror=True,
    ),
)


def learned_gate(shown: Pictures, rows: NDArray[np.bool_], folder: Path) -> GateNetwork:
    """Train on these pictures, and set the limit on the tenth of them that validates."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = folder / "begin.keras"
    if not begin.is_file():
        _begin().save(begin)
    backbone = own.find(str(begin), "grey")
    # By content: of pictures that are alike, all validate or none does.
    picks = np.array([hashlib.sha256(view).digest()[0] for view in shown.views])
    validates = picks % VALIDATED == 0
    task = Task(
        recipe=RECIPE,
        backbone=backbone,
        weights=weights.resolve("", backbone),
        labels=LABELS,
        train=_cached(shown, rows & ~validates, folder / "train"),
        val=_cached(shown, rows & validates, folder / "val"),
        folder=folder / "training",
        data="chest films and other pictures",
    )
    trained = train(task, print)
    if not isinstance(trained.head, Linear):
        raise TypeError(f"a linear head, not {type(trained.head).__name__}")
    gate = _gate(load(str(trained.weights)), trained.head)
    films = shown.views[rows & validates & shown.is_film]
    limit = float(np.quantile(margins(gate, films), ALLOWED))
    return GateNetwork(gate.kernels, gate.biases, gate.weights, gate.bias, min(0.0, limit))


def margins(gate: GateNetwork, views: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Ask a gate about many pictures."""
    return np.array([gate.margin(view) for view in views])


def _begin() -> Any:
    """Build the network before it has seen a picture."""
    keras = import_keras()
    films = keras.Input((SIDE, SIDE, 1), name="films")
    maps = films
    for number, (size, stride, depth) in enumerate(zip(KERNELS, STRIDES, CHANNELS, strict=True)):
        maps = keras.layers.Conv2D(
            depth, size, stride, activation="relu", name=f"layer{number}",
            kernel_initializer=keras.initializers.HeNormal(RECIPE.seed + number),
        )(maps)  # fmt: skip
    return keras.Model(films, maps, name="gate")


def _cached(shown: Pictures, rows: NDArray[np.bool_], folder: Path) -> CachedFilms:
    """Write pictures as the executors write films."""
    folder.mkdir(exist_ok=True)
    order = np.random.default_rng(RECIPE.seed).permutation(np.flatnonzero(rows))
    table = pa.table(
        {
            "shape": pa.array([[SIDE, SIDE]] * len(order), pa.list_(pa.int32())),
            "pixels": [view.tobytes() for view in shown.views[order]],
            "target": pa.array(shown.is_film[order].astype(np.int32)),
        }
    )
    parquet.write_table(table, folder / "part-00000.parquet", row_group_size=GROUP)
    return open_cache(str(folder))


def _gate(body: Any, head: Linear) -> GateNetwork:
    """Take the arrays out of the network."""
    layers = [body.get_layer(f"layer{i}").get_weights() for i in range(len(STRIDES))]
    apart = head.weights[1] - head.weights[0]
    return GateNetwork(
        kernels=tuple(kernel for kernel, _ in layers),
        biases=tuple(bias for _, bias in layers),
        weights=apart.astype(np.float32),
        bias=float(head.bias[1] - head.bias[0]),
        limit=0.0,
    )
