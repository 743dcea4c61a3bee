"""Small films in a cache, a small network, a quick recipe: what tests of training are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from spark_cxr.backbones import user_network as own
from spark_cxr.backbones import weights
from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.backbones.keras_model import draw_weights
from spark_cxr.training.cache import CachedFilms, open_cache
from spark_cxr.training.recipe import STILL, Recipe
from spark_cxr.training.task import Task

SIDE = 32
RECIPE = Recipe(
    seed=7,
    head=(),
    dropout=0.2,
    batch_norm=False,
    layers="all",
    warm_epochs=1,
    epochs=2,
    calm_epochs=0,
    batch_size=8,
    learning_rate=0.01,
    warm_learning_rate=0.01,
    optimiser="adamw",
    schedule="cosine",
    weight_decay=1e-4,
    average=0.3,
    loss="crossentropy",
    label_smoothing=0.0,
    focal_gamma=2.0,
    balance="none",
    best_by="accuracy",
    patience=0,
    distil=0.0,
    refit=False,
    precision="f32",
    augment=STILL,
)


def drawn(labels: list[int], seed: int = 0) -> np.ndarray[Any, Any]:
    """Draw noise with stripes across for class 0, down for class 1, both for class 2."""
    rng = np.random.default_rng(seed)
    films = rng.integers(0, 120, (len(labels), SIDE, SIDE)).astype(np.uint8)
    for film, label in zip(films, labels, strict=True):
        film[::4] += 60 if label != 1 else 0
        film[:, ::4] += 60 if label != 0 else 0
    return films


def cached(folder: Path, labels: list[int], seed: int = 0, group: int = 10) -> CachedFilms:
    """Write films as the executors do, two files of small row groups."""
    films = drawn(labels, seed)
    folder.mkdir(parents=True)
    half = len(labels) // 2
    for number, part in enumerate((slice(0, half), slice(half, None))):
        table = pa.table(
            {
                "shape": pa.array([[SIDE, SIDE]] * len(films[part]), pa.list_(pa.int32())),
                "pixels": [film.tobytes() for film in films[part]],
                "target": pa.array(labels[part], pa.int32()),
            }
        )
        parquet.write_table(table, folder / f"part-{number:05d}.parquet", row_group_size=group)
    return open_cache(str(folder))


def save_body(file: Path) -> None:
    """Save a network of two small convolutions with batch normalisation between them."""
    keras = import_keras()
    layers = keras.layers
    films = keras.Input((SIDE, SIDE, 3))
    maps = layers.Conv2D(6, 3, strides=2, use_bias=False, name="block1_conv")(films)
    maps = layers.BatchNormalization(name="block1_bn")(maps)
    maps = layers.ReLU(name="block1_out")(maps)
    maps = layers.Conv2D(10, 3, strides=2, activation="relu", name="block2_conv")(maps)
    model = keras.Model(films, maps)
    draw_weights(model, 3)
    model.save(file)


def make_task(folder: Path, body: Path, **changes: Any) -> Task:
    """Make a task that takes seconds: 60 films of three classes, a network of 600 weights."""
    labels = [0, 1, 2] * 20
    cached(folder / "films" / "train", labels)
    cached(folder / "films" / "val", labels[:14], seed=1)
    return opened_task(folder, body, **changes)


def opened_task(folder: Path, body: Path, **changes: Any) -> Task:
    """Make the same task of films that are cached already."""
    backbone = own.find(str(body), "tf")
    return Task(
        recipe=replace(RECIPE, **changes),
        backbone=backbone,
        weights=weights.resolve("", backbone),
        labels=("one", "two", "three"),
        train=open_cache(str(folder / "films" / "train")),
        val=open_cache(str(folder / "films" / "val")),
        folder=folder / "training",
        data="drawn stripes, CC0",
    )


FINDINGS = ("across", "down")


def truth_of(
    count: int, seed: int, unknown: float = 0.0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Draw which films have either finding: what is known of them (-1: nothing), and the truth."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((count, 2)) < (0.5, 0.3)).astype(np.int32)
    return np.where(rng.random(truth.shape) < unknown, -1, truth), truth


def cached_findings(
    folder: Path, known: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], seed: int
) -> None:
    """Write noise, with stripes across for the first finding and down for the second."""
    rng = np.random.default_rng(seed)
    films = rng.integers(0, 120, (len(truth), SIDE, SIDE)).astype(np.uint8)
    for film, (across, down) in zip(films, truth, strict=True):
        film[::4] += np.uint8(60 * across)
        film[:, ::4] += np.uint8(60 * down)
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "shape": pa.array([[SIDE, SIDE]] * len(films), pa.list_(pa.int32())),
            "pixels": [film.tobytes() for film in films],
            "target": pa.array(known.tolist(), pa.list_(pa.int32())),
        }
    )
    parquet.write_table(table, folder / "part-00000.parquet", row_group_size=16)


def make_finding_task(folder: Path, body: Path, **changes: Any) -> Task:
    """Make a task of two findings: 80 films that train, 40 that validate, some cells unknown."""
    cached_findings(folder / "films" / "train", *truth_of(80, 0, unknown=0.3), 1)
    cached_findings(folder / "films" / "val", *truth_of(40, 2, unknown=0.2), 3)
    return opened_finding_task(folder, body, best_by="loss", **changes)


def opened_finding_task(folder: Path, body: Path, **changes: Any) -> Task:
    """Make a task of findings of films that are cached already."""
    task = opened_task(folder, body, **changes)
    return replace(task, labels=FINDINGS, of_findings=True)
