"""Batches on a device that may run out of memory: in halves, once it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
_WORDS = ("resource_exhausted", "out of memory", "resourceexhausted", "outofmemory", "alloc_failed")


@dataclass
class Halving:
    """Runs batches, in parts where one is too large for the device."""

    run: Run
    limit: int
    """Films at once; halved each time the device has no more room."""

    def features(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run all films of a batch, whatever its size."""
        vectors, start = list[NDArray[np.float32]](), 0
        while start < len(batch):
            films = batch[start : start + self.limit]
            try:
                vectors.append(self.run(_padded(films, self.limit))[: len(films)])
            except Exception as error:
                if self.limit == 1 or not is_out_of_memory(error):
                    raise
                self.limit = max(1, self.limit // 2)
            else:
                start += len(films)
        return np.concatenate(vectors)


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise a device without room by TensorFlow's, JAX' and PyTorch's names for it."""
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(word in text for word in _WORDS)


def _padded(films: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    """Fill up to the next power of two: each new size would be compiled anew."""
    size = min(limit, 1 << (len(films) - 1).bit_length())
    if size == len(films):
        return films
    return np.concatenate([films, np.repeat(films[-1:], size - len(films), axis=0)])
