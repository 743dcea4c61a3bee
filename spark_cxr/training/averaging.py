"""Several processes that train one network: torch.distributed averages what each has found.

Each has a share of every batch, so the mean of their gradients is the gradient of the batch, and
all make the same step. Only what dropout leaves out is drawn in each for itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.training.batches import Share


@dataclass(frozen=True)
class Together:
    """One of several processes."""

    share: Share
    device: str

    def total(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Add what all processes have; nobody goes on before all have come here."""
        import torch
        from torch import distributed

        # Doubles, so that the sum of whole numbers stays exact.
        sums = torch.tensor(np.asarray(numbers, np.float64), device=self.device)
        distributed.all_reduce(sums)
        return np.asarray(sums.cpu().numpy())

    def averaging(self, optimiser: Any) -> Any:
        """Make an optimiser average the gradients of all before it moves the weights."""
        base: Any = type(optimiser)
        of = self.share.of

        def apply(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
            return base.apply(self, averaged(grads, of), trainable_variables)

        made: Any = type("Averaging", (base,), {"apply": apply})
        return made.from_config(optimiser.get_config())


def averaged(gradients: list[Any], of: int) -> list[Any]:
    """Average gradients over all processes, all of them in one message."""
    import torch
    from torch import distributed

    flat = torch.cat([each.reshape(-1).float() for each in gradients])
    distributed.all_reduce(flat)
    parts = torch.split(flat / of, [each.numel() for each in gradients])
    return [
        part.reshape(each.shape).to(each.dtype) for part, each in zip(parts, gradients, strict=True)
    ]


@contextmanager
def joined() -> Iterator[Together]:
    """Meet the processes that the environment names, and part from them when the block ends."""
    import torch
    from torch import distributed

    device = "cpu"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        device = "cuda"
    distributed.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield Together(Share(distributed.get_rank(), distributed.get_world_size()), device)
    finally:
        distributed.destroy_process_group()
