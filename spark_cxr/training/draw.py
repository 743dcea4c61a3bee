"""Which rows each batch of an epoch has: drawn by a seed, from a few runs of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spark_cxr.training.cache import Arrays

SPREAD = 4
"""Runs of a batch's length that are mixed: what is held in memory, in batches."""
Read = Callable[[int, int], Arrays]


@dataclass(frozen=True)
class Draw:
    """The rows from `start` to `stop`, and how they are to be cut into batches."""

    start: int
    stop: int
    batch_size: int
    shuffle: bool
    seed: int

    @property
    def steps(self) -> int:
        """Count the batches of an epoch."""
        return -(-(self.stop - self.start) // self.batch_size)

    def window(self, read: Read, epoch: int, number: int) -> list[Arrays]:
        """Read the batches of one window of an epoch, `SPREAD` of them.

        Runs of neighbouring rows are drawn from all rows, and the rows of a window are mixed. The
        same seed gives the same batches, epoch by epoch.
        """
        runs = self._order(self.steps, epoch)[number * SPREAD : (number + 1) * SPREAD]
        parts = [read(*self._rows(int(run))) for run in runs]
        arrays = tuple(np.concatenate(each) for each in zip(*parts, strict=True))
        order = self._order(len(arrays[0]), epoch, number)
        cuts = range(0, len(order), self.batch_size)
        picks = [order[cut : cut + self.batch_size] for cut in cuts]
        return [tuple(array[pick] for array in arrays) for pick in picks]

    def _rows(self, run: int) -> tuple[int, int]:
        start = self.start + run * self.batch_size
        return start, min(start + self.batch_size, self.stop)

    def _order(self, count: int, *where: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(count)
        return np.random.default_rng([self.seed, *where]).permutation(count)
