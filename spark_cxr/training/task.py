"""What is to be trained, how a training went epoch by epoch, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spark_cxr.backbones.catalog import Backbone
from spark_cxr.backbones.weights import Weights
from spark_cxr.heads.portable import PortableHead
from spark_cxr.training.cache import CachedFilms
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
    of_findings: bool = False
    """The labels are findings, each by itself; `target` of a cached film then has a number for
    each: 1, 0, or -1 where it is unknown."""
    films: bytes = b""
    """Their list, and those of the network it starts from (`backbones.film_list`)."""


@dataclass(frozen=True)
class Epoch:
    """One epoch: what the films that train gave while it ran, and validation at its end."""

    number: int
    """From 1, over both phases."""
    phase: str
    """head, all or calm, as in `network`."""
    learning_rate: float
    """At its last step."""
    loss: float
    accuracy: float
    """On augmented films, with dropout, while the weights still change."""
    val_loss: float
    val_accuracy: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class History:
    """All epochs so far."""

    epochs: tuple[Epoch, ...] = ()

    def best(self, by: str) -> Epoch | None:
        """Find the first of the epochs that validation likes best; by `last` the last one."""
        return max(self.epochs, key=WORTHS[by], default=None)

    def of(self, phase: str) -> list[Epoch]:
        """Give the epochs of a phase."""
        return [epoch for epoch in self.epochs if epoch.phase == phase]

    def to_json(self) -> list[dict[str, Any]]:
        """Give the epochs as JSON knows them."""
        return [asdict(epoch) for epoch in self.epochs]

    @classmethod
    def from_json(cls, epochs: list[Mapping[str, Any]]) -> History:
        """Read what `to_json` gave."""
        return cls(tuple(Epoch(**epoch) for epoch in epochs))


WORTHS: dict[str, Callable[[Epoch], tuple[float, float]]] = {
    "accuracy": lambda epoch: (epoch.val_accuracy, -epoch.val_loss),
    "loss": lambda epoch: (-epoch.val_loss, epoch.val_accuracy),
    "last": lambda epoch: (epoch.number, 0.0),
}


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
    first_head: PortableHead | None = None
    """The head with its last layer solved without the films that validate, to which these are new;
    None where `head` has not learned from them."""
