"""How many films a GPU is to get at once, and whether it then waits for them. Nothing of a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

FIRST, MOST = 8, 512
"""Sizes tried. A batch waits in memory three times: 512 films of 224 pixels are 230 MB."""
GROWTH = 1.05
"""By how much twice as many films must be faster, a film, to be worth their memory."""
PASSES = 3
"""Timed at each size, after one that compiles; the fastest counts."""
WAITS = 0.1
"""Share of its time that a GPU may wait without a word."""


@dataclass(frozen=True)
class FoundSize:
    """A batch size, and what it is good for."""

    size: int
    films_per_second: float
    is_memory_full: bool
    """Twice as many did not fit."""


def find_batch_size(
    seconds: Callable[[int], float],
    is_full: Callable[[BaseException], bool],
    most: int = MOST,
) -> FoundSize:
    """Double the batch until throughput stops growing or memory ends.

    Args:
        seconds: Runs so many films at once, and gives the seconds that they took.
        is_full: Recognises a device without room by what `seconds` raised.
        most: The largest size to try.

    Raises:
        Exception: What `seconds` raised at the first size, or for another reason than room.
    """
    best = FoundSize(FIRST, _rate(seconds, FIRST), False)
    while (size := 2 * best.size) <= most:
        try:
            rate = _rate(seconds, size)
        except Exception as error:
            if not is_full(error):
                raise
            return FoundSize(best.size, best.films_per_second, True)
        if rate < GROWTH * best.films_per_second:
            break
        best = FoundSize(size, rate, False)
    return best


def _rate(seconds: Callable[[int], float], size: int) -> float:
    seconds(size)
    return size / max(min(seconds(size) for _ in range(PASSES)), 1e-9)


def cores_missing(decoding: float, network: float, threads: int) -> int:
    """Say how many more cores would have to decode so that the network never waits.

    Args:
        decoding: Core seconds that films took from bytes to what the network takes.
        network: Seconds in which the network was at work on the same films.
        threads: That decoded.
    """
    if network <= 0:
        return 0
    return max(0, math.ceil(decoding / network) - threads)


def advice(decoding: float, network: float, waiting: float, threads: int) -> str:
    """Say in a line that a GPU waits, and what would help; empty where it hardly does."""
    missing = cores_missing(decoding, network, threads)
    total = network + waiting
    if not missing or waiting < WAITS * total:
        return ""
    cores = "1 more core" if missing == 1 else f"{missing:,} more cores"
    return f"this GPU waits for decoding {waiting / total:.0%} of its time: {cores}"
