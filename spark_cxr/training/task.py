"""What is to be trained, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.weights import Weights
from spark_cxr.heads.portable import PortableHead
from spark_cxr.training.cache import CachedFilms
from spark_cxr.training.history import History
from spark_cxr.training.recipe import Recipe

Say = Callable[[str], None]
"""Receives a line of progress."""


@dataclass(frozen=True)
class Task:
    """A recipe, the network it starts from, and the films."""

    recipe: Recipe
    backbone: Backbone
    weights: Weights
    labels: tuple[str, ...]
    """The classes; `target` of a cached film is the number of its class in this order."""
    train: CachedFilms
    """uint8, (height, width), of the size that the network takes."""
    val: CachedFilms
    folder: Path
    """Of the training: checkpoint/, history.json, weights.keras, films.png."""
    data: str = ""
    """Which films these are, and their licence, in words that travel with the weights."""
    films: bytes = b""
    """Their list, and those of the network it starts from (`backbones.film_list`)."""


@dataclass(frozen=True)
class TrainedNetwork:
    """The best network of a training."""

    weights: Path
    """A Keras file without optimiser: a backbone like any other."""
    head: PortableHead
    history: History
    best_epoch: int
    is_refitted: bool
    """The last layer was solved anew."""
