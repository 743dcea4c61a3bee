"""Does a film cost the same among many as among few, on one slot as on all, in time and memory."""

from __future__ import annotations

import logging

from benchmarks.bench.arena import Arena
from benchmarks.bench.contestants import product
from benchmarks.bench.films import BenchFilms
from benchmarks.bench.memory import watched_memory
from benchmarks.bench.results import Scale

LOG = logging.getLogger(__name__)

GROWTH = (1, 4, 16)


def scales(arena: Arena, films: BenchFilms, folder: str) -> tuple[Scale, ...]:
    """Run N, 4 N and 16 N films on all slots and on one, N being what fits the films at hand."""
    done = []
    least = max(1, len(films) // GROWTH[1])
    for slots in sorted({1, arena.slots}):
        for growth in GROWTH:
            some = films.linked(f"{folder}/{slots}-{growth}", growth * least)
            done.append(_scale(arena, some, slots))
            rate = f"{done[-1].rate:,.1f} images/s"
            LOG.info(f"bench: {len(some):,} images on {slots} slots, {rate}")
    return tuple(done)


def _scale(arena: Arena, films: BenchFilms, slots: int) -> Scale:
    run = product(arena, slots if slots < arena.slots else 0)
    with watched_memory() as peak:
        rate = run(films).rate
    return Scale(len(films), slots, rate, peak.driver, peak.worker)
