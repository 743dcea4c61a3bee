"""Cached films → batches: drawn, read and augmented ahead by threads while the network learns.

What a batch holds depends on the recipe, the films and its place in the epoch alone: neither on
threads, nor on how many processes share it, nor on whether the training was killed before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.training.augment import augment
from spark_cxr.training.cache import SPREAD, Arrays, CachedFilms, Draw
from spark_cxr.training.recipe import STILL, Augment, Recipe
from spark_cxr.training.targets import Numbers, rows_of_epoch

Floats = NDArray[np.float32]
_OF_AUGMENTING = 1
"""Keeps these seeds apart from those of the draw."""


@dataclass(frozen=True)
class Batch:
    """As many films as the recipe says; where there were fewer, some stand twice and count 0."""

    films: NDArray[np.uint8]
    """(films, height, width, 1)"""
    targets: Floats
    """(films, classes): the share of each class, times the weight of the film's class."""
    counts: Floats
    """1 for each film, 0 for what fills up."""
    rows: Numbers
    """The film's number in the cache."""


@dataclass(frozen=True)
class Share:
    """Which part of each batch this process has."""

    number: int = 0
    of: int = 1


@dataclass(frozen=True)
class Feed:
    """All films of a cache, once an epoch, or as often as their classes weigh."""

    films: CachedFilms
    labels: Numbers
    """The number of each film's class."""
    weights: Floats
    """Of each class."""
    batch_size: int
    seed: int
    strengths: tuple[Augment, ...]
    """How far films of each class are changed, or a single one for all."""
    smoothing: float = 0.0
    is_drawn_by_weight: bool = False
    is_shuffled: bool = True
    share: Share = Share()
    cells: Floats | None = None
    """Of findings: the targets of each film, weighed and smoothed already."""

    def steps(self, epoch: int) -> int:
        """Count the batches of an epoch."""
        return self._draw(len(self._rows(epoch))).steps

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Give the batches of an epoch, from a step on; no more than a few windows are held."""
        rows = self._rows(epoch)
        draw = self._draw(len(rows))
        windows = iter(range(first_step // SPREAD, -(-draw.steps // SPREAD)))
        skip = first_step % SPREAD
        with ThreadPoolExecutor(_threads()) as pool:

            def ahead() -> list[Future[list[Batch]]]:
                window = next(windows, None)
                if window is None:
                    return []
                return [pool.submit(self._window, draw, rows, epoch, window)]

            waiting = [job for _ in range(_threads() + 1) for job in ahead()]
            try:
                while waiting:
                    batches = waiting.pop(0).result()
                    waiting += ahead()
                    yield from batches[skip:]
                    skip = 0
            finally:
                pool.shutdown(cancel_futures=True)

    def _rows(self, epoch: int) -> Numbers:
        """List the films of an epoch in the order of the cache."""
        if not self.is_drawn_by_weight:
            return np.arange(len(self.labels))
        return rows_of_epoch(self.labels, self.weights, self.seed, epoch)

    def _draw(self, count: int) -> Draw:
        return Draw(0, count, self.batch_size, self.is_shuffled, self.seed)

    def _window(self, draw: Draw, rows: Numbers, epoch: int, window: int) -> list[Batch]:
        """Read the films of a few batches that belong to this process, and augment them."""
        places = draw.window(lambda start, stop: (np.arange(start, stop),), epoch, window)
        mine = [self._shared(batch[0]) for batch in places]
        pixels = self._read(rows, np.unique(np.concatenate([places for places, _ in mine])))
        return [self._batch(rows, epoch, each, counts, pixels) for each, counts in mine]

    def _shared(self, places: Numbers) -> tuple[Numbers, Floats]:
        """Fill a batch up to its size, and take this process' share."""
        counts = np.arange(self.batch_size) < len(places)
        whole = np.resize(places, self.batch_size)
        part = slice(self.share.number, None, self.share.of)
        return whole[part], counts[part].astype(np.float32)

    def _read(self, rows: Numbers, places: Numbers) -> dict[int, NDArray[np.uint8]]:
        """Read the films at these places, run by run of neighbours."""
        found = dict[int, NDArray[np.uint8]]()
        for run in np.split(places, np.flatnonzero(np.diff(places // self.batch_size)) + 1):
            numbers = rows[run]
            first = int(numbers[0])
            arrays: Arrays = self.films.read(first, int(numbers[-1]) + 1)
            found |= {int(row): arrays[0][row - first] for row in numbers}
        return found

    def _batch(
        self,
        rows: Numbers,
        epoch: int,
        places: Numbers,
        counts: Floats,
        pixels: dict[int, NDArray[np.uint8]],
    ) -> Batch:
        numbers = rows[places]
        films = [
            augment(
                pixels[int(row)],
                self.strengths[int(self.labels[row]) if len(self.strengths) > 1 else 0],
                np.random.default_rng([self.seed, epoch, int(place), _OF_AUGMENTING]),
            )
            for row, place in zip(numbers, places, strict=True)
        ]
        targets = self._targets(numbers) if self.cells is None else self.cells[numbers]
        return Batch(np.stack(films)[..., None], targets.astype(np.float32), counts, numbers)

    def _targets(self, numbers: Numbers) -> NDArray[np.floating[Any]]:
        labels, classes = self.labels[numbers], len(self.weights)
        shares = np.eye(classes, dtype=np.float32)[labels] * (1 - self.smoothing)
        weights = np.ones(classes) if self.is_drawn_by_weight else self.weights
        return (shares + self.smoothing / classes) * weights[labels][:, None]


def training_feed(films: CachedFilms, labels: Numbers, weights: Floats, recipe: Recipe) -> Feed:
    """Feed films that train: in another order each epoch, augmented."""
    return Feed(
        films,
        labels,
        weights,
        recipe.batch_size,
        recipe.seed,
        recipe.augment_by_class(np.bincount(labels, minlength=len(weights)).tolist()),
        recipe.label_smoothing,
        is_drawn_by_weight=recipe.balance == "sampling",
    )


def checking_feed(films: CachedFilms, labels: Numbers, weights: Floats, recipe: Recipe) -> Feed:
    """Feed films as they are, in their order; a film counts as its class does in training."""
    return Feed(films, labels, weights, recipe.batch_size, recipe.seed, (STILL,), is_shuffled=False)


def finding_feeds(
    train: CachedFilms, val: CachedFilms, cells: tuple[Floats, Floats, Floats], recipe: Recipe
) -> tuple[Feed, Feed, Feed]:
    """Feed films of findings: those that train, the same as they are, and those that validate.

    Args:
        train: Films that train.
        val: Films that validate.
        cells: Their targets, smoothed for those that train; then both without smoothing.
        recipe: How they are augmented, and drawn.
    """
    none, alike = np.zeros(train.count, np.int64), np.ones(1, np.float32)
    learning = Feed(train, none, alike, recipe.batch_size, recipe.seed, (recipe.augment,))
    still = checking_feed(train, none, alike, recipe)
    check = checking_feed(val, np.zeros(val.count, np.int64), alike, recipe)
    feeds = zip((learning, still, check), cells, strict=True)
    learning, still, check = (replace(feed, cells=each) for feed, each in feeds)
    return learning, still, check


def _threads() -> int:
    """Take no more than Python lets work at the same time."""
    return min(8, os.cpu_count() or 1)
