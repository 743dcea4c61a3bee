"""Bytes → vectors, the part that the workers run: decode, prepare, and the network in batches.

Threads decode ahead of the engine, a bounded number of films, so that neither waits for the
other: both leave Python's lock while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

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
    """Turn lists of encoded images into lists of vectors, one for one and in order.

    Batches reach over the ends of lists, so a short list costs no more than a long one. At most
    two batches of films beyond the list that is being read wait in memory.
    """
    lengths = deque[int]()
    ready = list[Made]()
    for made in _vectors(_films(_flat(parts, lengths), recipe), recipe):
        ready += made
        while lengths and lengths[0] <= len(ready):
            length = lengths.popleft()
            yield ready[:length]
            del ready[:length]
    yield from ([] for _ in lengths)


def _flat(parts: Iterable[Contents], lengths: deque[int]) -> Iterator[Content]:
    """Give image after image, and note how many each list had before its first one goes."""
    for contents in parts:
        lengths.append(len(contents))
        yield from contents


def _films(contents: Iterable[Content], recipe: FeatureRecipe) -> Iterator[Pixels | BadImage]:
    """Decode ahead in threads, in order."""
    size_hw, limits = recipe.size_hw, recipe.limits
    waiting = deque[Future[Pixels | BadImage]]()
    threads = ThreadPoolExecutor(recipe.threads, thread_name_prefix="decode")
    try:
        for content in contents:
            waiting.append(threads.submit(_film, content, size_hw, limits))
            if len(waiting) > 2 * recipe.batch_size:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _film(content: Content, size_hw: tuple[int, int], limits: Limits) -> Pixels | BadImage:
    try:
        return to_network(decode(content or b"", limits).pixels, size_hw)
    except BadImage as bad:
        return bad


def _vectors(films: Iterable[Pixels | BadImage], recipe: FeatureRecipe) -> Iterator[list[Made]]:
    """Run the network over full batches; bad images keep their places and cost nothing."""
    batch, good = list[Pixels | BadImage](), 0
    for film in films:
        batch.append(film)
        good += not isinstance(film, BadImage)
        if good == recipe.batch_size:
            yield _run(batch, recipe)
            batch, good = [], 0
    if batch:
        yield _run(batch, recipe)


def _run(batch: Sequence[Pixels | BadImage], recipe: FeatureRecipe) -> list[Made]:
    films = [film for film in batch if not isinstance(film, BadImage)]
    if not films:
        return list[Made](film for film in batch if isinstance(film, BadImage))
    vectors = iter(load(recipe.plan).features(np.stack(films)))
    return [film if isinstance(film, BadImage) else next(vectors) for film in batch]
