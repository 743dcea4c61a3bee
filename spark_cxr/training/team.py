"""The processes that train one network together; usually one alone.

Several are Keras on PyTorch, with gradients averaged after each step. Each process reads its share
of every batch. Together they come to what one process comes to with the whole batch, but for
rounding, and for batch normalisation in the head, whose statistics are those of a share.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones.keras_backend import import_keras
from spark_cxr.errors import SetupError
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


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that PyTorch has brought together."""

    share: Share
    device: str

    def total(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Add what all processes have; nobody goes on before all have come here."""
        torch = import_module("torch")
        tensor = torch.tensor(np.asarray(numbers, np.float64), device=self.device)
        torch.distributed.all_reduce(tensor)
        return np.asarray(tensor.cpu().numpy())

    def averaging(self, optimiser: Any) -> Any:
        """Make an optimiser average the gradients of all before it moves the weights."""
        torch, apply = import_module("torch"), optimiser.apply

        def averaged(gradients: Sequence[Any], variables: Any = None) -> None:
            # As one long vector: one message a step.
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            torch.distributed.all_reduce(flat)
            parts = torch.split(flat / self.share.of, [each.numel() for each in gradients])
            pairs = zip(gradients, parts, strict=True)
            apply([part.view_as(gradient) for gradient, part in pairs], variables)

        optimiser.apply = averaged
        return optimiser


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Be one of the processes that train; its environment says which one.

    What torchrun and Spark's TorchDistributor start: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT
    are set, and `loop.train` is called with the group in each. All processes see the task's folder
    and its films; the first one writes.

    Raises:
        SetupError: PyTorch is missing, or Keras runs on something else already.
    """
    check_torch()
    os.environ["KERAS_BACKEND"] = "torch"
    torch = import_module("torch")
    has_gpu = torch.cuda.is_available()
    if not has_gpu:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // here))
    torch.distributed.init_process_group("nccl" if has_gpu else "gloo")
    try:
        share = Share(torch.distributed.get_rank(), torch.distributed.get_world_size())
        yield ProcessGroup(share, "cuda" if has_gpu else "cpu")
    finally:
        torch.distributed.destroy_process_group()


def need_torch() -> None:
    """Refuse to train in several processes where PyTorch is not installed."""
    if find_spec("torch") is None:
        way_out = "pip install 'spark-cxr[torch]', or train in one process: --workers 0"
        raise SetupError("PyTorch, for training in several processes", "none", way_out)


def check_torch() -> None:
    """Refuse to be one of several processes without PyTorch, or with another backend of Keras.

    Raises:
        SetupError: One of the two is the case.
    """
    need_torch()
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != "torch":
        received = f"one that has it on {keras.backend.backend()}"
        raise SetupError("a process without Keras, or with Keras on PyTorch", received, "Start one")
