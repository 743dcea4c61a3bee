"""Seeded chance that gives the same draws with every numpy on every machine."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """A stream of draws that belongs to one key, such as (seed, "film", 7).

    Only the raw words of the bit generator are used: numpy promises those for ever, while the
    methods of `Generator` may draw differently in a later version (NEP 19).
    """

    def __init__(self, seed: int, *key: int | str) -> None:
        """Open the stream of this key."""
        words = [int.from_bytes(k.encode(), "big") if isinstance(k, str) else k for k in key]
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, *words]))

    def uniform(self, low: float, high: float) -> float:
        """Draw a number of [low, high)."""
        word = int(self._bits.random_raw())
        return low + (high - low) * ((word >> 11) * 2.0**-53)

    def whole(self, low: int, high: int) -> int:
        """Draw an integer of low..high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices."""
        return choices[self.whole(0, len(choices) - 1)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        rest = list(items)
        return [rest.pop(self.whole(0, len(rest) - 1)) for _ in items]

    def octets(self, count: int) -> NDArray[np.uint8]:
        """Draw `count` bytes."""
        words = np.asarray(self._bits.random_raw(-(-count // 8)), dtype="<u8")
        return words.view(np.uint8)[:count]

    def noise(self, size_hw: tuple[int, int]) -> NDArray[np.int32]:
        """Draw whole-numbered noise with mean 0 and standard deviation 148 (Irwin-Hall of 4)."""
        rolls = self.octets(4 * size_hw[0] * size_hw[1]).reshape(4, *size_hw)
        total: NDArray[np.int32] = rolls.sum(axis=0, dtype=np.int32)
        return total - np.int32(510)
