"""The processes that train one network together; usually one alone."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.training.batches import Share


class Team(Protocol):
    """Several processes, each with a share of every batch."""

    @property
    def share(self) -> Share:
        """Say which of the processes this one is."""

    def total(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Add what all processes have; nobody goes on before all have come here."""

    def averaging(self, optimiser: Any) -> Any:
        """Make an optimiser average the gradients of all before it moves the weights."""


class Alone:
    """One process."""

    share = Share()

    def total(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Give back what this process has."""
        return numbers

    def averaging(self, optimiser: Any) -> Any:
        """Leave the optimiser as it is."""
        return optimiser


def align(variables: list[Any], team: Team) -> None:
    """Let what is counted and not learned (moving averages) be the mean over all processes."""
    if team.share.of == 1:
        return
    for variable in variables:
        if "float" in variable.dtype:
            mine = import_keras().ops.convert_to_numpy(variable)
            variable.assign(team.total(mine) / team.share.of)
