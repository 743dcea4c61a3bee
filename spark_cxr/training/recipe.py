"""How a network is trained, as one record: all that decides the weights besides films and start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from spark_cxr.errors import InputError

PRECISIONS = ("auto", "f32", "bf16", "f16")
BALANCES = ("none", "weights", "sampling")


@dataclass(frozen=True)
class Augment:
    """How far a film may be changed before the network sees it; 0 leaves that as it is."""

    zoom: float = 0.15
    """Logarithm of the scale, half as much for height alone: 0.15 is 15 % nearer or further."""
    shift: float = 0.06
    """Of the side."""
    rotation: float = 10.0
    """Degrees to either side."""
    brightness: float = 0.12
    """Of white, added or taken away."""
    contrast: float = 0.3
    """Logarithm of the factor around grey."""
    gamma: float = 0.35
    """Logarithm of the exponent."""
    noise: float = 0.02
    """Largest standard deviation, of white."""
    erase: float = 1.5
    """Rectangles that are painted over, on average; most lie in corners and on borders."""
    mirror: bool = False
    """Swap left and right: then a heart on the right side is learned as well."""

    def times(self, strength: float) -> Augment:
        """Make all of it stronger or weaker; 0 is none at all."""
        numbers = {item.name: getattr(self, item.name) for item in fields(self)}
        mirror = numbers.pop("mirror")
        return Augment(**{name: strength * n for name, n in numbers.items()}, mirror=mirror)

    @property
    def calm(self) -> Augment:
        """Leave films as they are, but for what hides corners and for the side they show."""
        return replace(self.times(0), erase=self.erase)

    @property
    def is_none(self) -> bool:
        """Tell whether films stay as they are."""
        return not any(vars(self).values())


STILL = Augment().times(0)
"""Films as they are."""
LARGEST = Augment(
    zoom=1, shift=0.5, rotation=180, brightness=1, contrast=3, gamma=3, noise=1, erase=9
)
"""What a single range may be set to."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training, without films, labels and the network it starts from."""

    seed: int
    head: tuple[int, ...]
    """Hidden dense layers between features and classes; () is a linear head."""
    dropout: float
    batch_norm: bool
    """In the head; that of a network that has learned before stays as it was."""
    layers: str
    """What learns besides the head: all, none, a share of the layers from the top (0.3), or the
    beginning of the name of the first layer that does."""
    warm_epochs: int
    """Epochs in which the head learns alone, before the others."""
    epochs: int
    calm_epochs: int
    """At the end, in small steps, with films as they are but for erased corners."""
    batch_size: int
    """Over all processes."""
    learning_rate: float
    warm_learning_rate: float
    optimiser: str
    schedule: str
    weight_decay: float
    average: float
    """Share of a phase's steps over which weights are averaged: the average is what is validated
    and kept; 0: the weights as the last step left them."""
    loss: str
    label_smoothing: float
    focal_gamma: float
    balance: str
    """none, weights or sampling: how rare classes come to count as much as others."""
    best_by: str
    """What makes an epoch the best: accuracy in validation, a low loss there, or being last."""
    patience: int
    """Epochs without a better validation after which the calm ones begin; 0: never."""
    distil: float
    """Weight of staying near what the network said of the same film before training."""
    refit: bool
    """Solve the last layer once more at the end, on films as they are."""
    precision: str
    augment: Augment
    augment_rare: float = 1.0
    """How much stronger films of the rarest class are changed than those of the commonest."""

    def to_json(self) -> dict[str, Any]:
        """Give the recipe as JSON knows it."""
        return asdict(self) | {"head": list(self.head)}

    def stronger(self, strength: float) -> Recipe:
        """Augment more or less."""
        return replace(self, augment=self.augment.times(strength))

    def augment_by_class(self, films: Sequence[int]) -> tuple[Augment, ...]:
        """Say how far films of each class are changed, by how many there are; one may be for all.

        Between the commonest class and the rarest, strength grows by the same factor whenever films
        become fewer by the same factor.
        """
        most, least = max(films), max(1, min(films))
        if self.augment_rare == 1 or most <= least:
            return (self.augment,)
        rarities = (math.log(most / max(1, count)) / math.log(most / least) for count in films)
        return tuple(self.augment.times(self.augment_rare**rarity) for rarity in rarities)


def from_json(values: Mapping[str, Any]) -> Recipe:
    """Read what `to_json` gave.

    Raises:
        InputError: something is missing, or was added by a newer version.
    """
    try:
        augment = Augment(**values["augment"])
        return Recipe(**{**values, "head": tuple(values["head"]), "augment": augment})
    except (KeyError, TypeError) as error:
        raise InputError("the recipe of a training", str(error), "Train again") from None
