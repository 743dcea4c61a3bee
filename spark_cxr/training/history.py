"""How a training went, epoch by epoch: what `history.json` holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


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


def _accuracy(epoch: Epoch) -> tuple[float, float]:
    return epoch.val_accuracy, -epoch.val_loss


def _loss(epoch: Epoch) -> tuple[float, float]:
    return -epoch.val_loss, epoch.val_accuracy


def _last(epoch: Epoch) -> tuple[float, float]:
    return epoch.number, 0.0


WORTHS: dict[str, Callable[[Epoch], tuple[float, float]]] = {
    "accuracy": _accuracy,
    "loss": _loss,
    "last": _last,
}


def from_json(epochs: list[Mapping[str, Any]]) -> History:
    """Read what `to_json` gave."""
    return History(tuple(Epoch(**epoch) for epoch in epochs))
