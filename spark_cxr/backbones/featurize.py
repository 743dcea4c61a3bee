"""Bytes → vectors, the part that the workers run: decode, prepare, and the network in batches.

Threads decode ahead of the engine, a bounded number of films and bytes, so that neither waits for
the other: both leave Python's lock while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from spark_cxr.backbones import catalog
from spark_cxr.backbones.engines import load
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.backbones.network import read
from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.prepare import to_network

Vector = NDArray[np.float32]
Content = bytes | None
Contents = Sequence[Content]
Made = Vector | BadImage
Item = TypeVar("Item")
Found = TypeVar("Found")
Note = TypeVar("Note")

AHEAD_BYTES = 2**26
"""Of encoded films that wait in memory: fewer than two batches of them where they are large."""
MOST_IDLE = 8
"""Batches' worth of items, bad or known ones among them, after which a batch goes unfilled."""


@dataclass(frozen=True)
class Shown(Generic[Note]):
    """A file after decoding: what is to be said of it, and what the network is to see of it."""

    note: Note
    pixels: Pixels | None = None


@dataclass(frozen=True)
class FeatureRecipe:
    """All that decides what vector a file becomes, and how fast."""

    backbone: str
    engine: str
    batch_size: int
    limits: Limits = field(default_factory=Limits)
    network: str = ""
    """The network's file on this host; empty for the fake."""
    precision: str = "auto"
    threads: int = 1
    """For the engine, and as many again that decode."""
    device: str = "auto"
    single: bool = False
    """Also quick with one film."""

    @property
    def plan(self) -> Plan:
        """Give what the engine has to know of it."""
        return Plan(
            self.engine,
            self.backbone,
            self.network,
            self.threads,
            self.precision,
            self.device,
            self.batch_size,
            self.single,
        )

    @property
    def size_hw(self) -> tuple[int, int]:
        """Give the size that the network takes films in."""
        if self.network:
            return read(Path(self.network)).size_hw
        return catalog.get(self.backbone).size_hw


def featurize(contents: Contents, recipe: FeatureRecipe) -> list[Made]:
    """Turn encoded images into vectors, in order; a bad one becomes its BadImage."""
    return next(featurize_stream([contents], recipe))


def featurize_stream(parts: Iterable[Contents], recipe: FeatureRecipe) -> Iterator[list[Made]]:
    """Turn lists of encoded images into lists of vectors, one for one and in order."""
    show = partial(_show, size_hw=recipe.size_hw, limits=recipe.limits)
    for made in stream(parts, show, recipe, weigh=lambda content: len(content or b"")):
        yield [_either(bad, vector) for bad, vector in made]


def _show(content: Content, size_hw: tuple[int, int], limits: Limits) -> Shown[BadImage | None]:
    try:
        return Shown(None, to_network(decode(content or b"", limits).pixels, size_hw))
    except BadImage as bad:
        return Shown(bad)


def _either(bad: BadImage | None, vector: Vector | None) -> Made:
    made = vector if bad is None else bad
    if made is None:
        raise TypeError("a film that decodes has a vector")
    return made


def stream(
    parts: Iterable[Sequence[Item]],
    show: Callable[[Item], Shown[Note]],
    recipe: FeatureRecipe,
    weigh: Callable[[Item], int],
) -> Iterator[list[tuple[Note, Vector | None]]]:
    """Show the items of lists to the network: a note each, and a vector where there were pixels.

    Batches reach over the ends of lists, so a short list costs no more than a long one. At most
    two batches of items beyond the list that is being read wait in memory.
    """
    yield from stream_through(
        parts, show, recipe, weigh, lambda films: load(recipe.plan).features(films)
    )


def stream_through(
    parts: Iterable[Sequence[Item]],
    show: Callable[[Item], Shown[Note]],
    recipe: FeatureRecipe,
    weigh: Callable[[Item], int],
    run: Callable[[Pixels], Iterable[Found]],
) -> Iterator[list[tuple[Note, Found | None]]]:
    """Do as `stream` does with something else than vectors: what `run` finds for each film."""
    lengths = deque[int]()
    ready = list[tuple[Note, Found | None]]()
    films = _ahead(_flat(parts, lengths), show, recipe, weigh)
    for made in _run_batches(films, recipe.batch_size, run):
        ready += made
        while lengths and lengths[0] <= len(ready):
            length = lengths.popleft()
            yield ready[:length]
            del ready[:length]
    yield from ([] for _ in lengths)


def _flat(parts: Iterable[Sequence[Item]], lengths: deque[int]) -> Iterator[Item]:
    """Give item after item, and note how many each list had before its first one goes."""
    for items in parts:
        lengths.append(len(items))
        yield from items


def _ahead(
    items: Iterable[Item],
    show: Callable[[Item], Shown[Note]],
    recipe: FeatureRecipe,
    weigh: Callable[[Item], int],
) -> Iterator[Shown[Note]]:
    """Decode ahead in threads, in order."""
    waiting, held = deque[tuple[Future[Shown[Note]], int]](), 0
    threads = ThreadPoolExecutor(recipe.threads, thread_name_prefix="decode")
    try:
        for item in items:
            weight = weigh(item)
            held += weight
            waiting.append((threads.submit(show, item), weight))
            while len(waiting) > 2 * recipe.batch_size or (held > AHEAD_BYTES and len(waiting) > 1):
                shown, weight = waiting.popleft()
                held -= weight
                yield shown.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        threads.shutdown(cancel_futures=True)


def _run_batches(
    films: Iterable[Shown[Note]], size: int, run: Callable[[Pixels], Iterable[Found]]
) -> Iterator[list[tuple[Note, Found | None]]]:
    """Run the network over full batches; what has no pixels keeps its place and costs nothing."""
    batch, good = list[Shown[Note]](), 0
    for film in films:
        batch.append(film)
        good += film.pixels is not None
        if good == size or len(batch) == MOST_IDLE * size:
            yield _run(batch, run)
            batch, good = [], 0
    if batch:
        yield _run(batch, run)


def _run(
    batch: Sequence[Shown[Note]], run: Callable[[Pixels], Iterable[Found]]
) -> list[tuple[Note, Found | None]]:
    films = [film.pixels for film in batch if film.pixels is not None]
    found = iter(run(np.stack(films)) if films else ())
    return [(film.note, None if film.pixels is None else next(found)) for film in batch]
