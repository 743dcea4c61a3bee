"""One pass over films: read, decode, look, show to networks, give a row. The only place for it.

What differs between ingesting, featurizing, scoring, explaining and serving is a handful of small
functions. That a bad file is a row with its reason, that a film is decoded once however much is
made of it, and that networks get full batches holds for all of them, because it is done here.

Threads decode ahead of the networks, a bounded number of films and bytes, so that neither waits
for the other: both leave Python's lock while they work. `pipeline/film_pass.py` runs a pass on
Spark's workers; `model` and `serve` run the same one without Spark.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from spark_cxr.errors import BadImage
from spark_cxr.images.apart import decode_apart
from spark_cxr.images.clock import Clock
from spark_cxr.images.decode import decode
from spark_cxr.images.film import DEFAULT_LIMITS, Film, Limits, Pixels, Size

LOG = logging.getLogger(__name__)

Note = TypeVar("Note")
Row = TypeVar("Row")

AHEAD_BYTES = 2**26
"""Of encoded films that wait in memory: fewer than two batches of them where they are large."""
SLOW = 20.0
"""Seconds that a film may be waited for before the log names it."""
MOST_IDLE = 8
"""Batches' worth of films, bad or known ones among them, after which a batch goes unfilled."""


class File(Protocol):
    """What a pass takes: bytes that are read where they are worked on, not before."""

    @property
    def weight(self) -> int:
        """Say how many bytes it has."""
        ...

    def read(self) -> bytes:
        """Give the bytes."""
        ...


AnyFile = TypeVar("AnyFile", bound=File)


@dataclass(frozen=True)
class Content:
    """The bytes of a file; as a file of their own, bytes that are at hand already."""

    data: bytes

    @property
    def weight(self) -> int:
        """Say how many bytes there are."""
        return len(self.data)

    def read(self) -> bytes:
        """Give the bytes."""
        return self.data

    def __str__(self) -> str:
        """Name it in the log."""
        return f"a film of {self.weight:,} bytes"

    @cached_property
    def sha256(self) -> str:
        """Identify the content."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class View:
    """A film as one of the networks is to see it."""

    pixels: Pixels
    network: int = 0
    """Its place among the networks of the pass."""


@dataclass(frozen=True)
class FilmViews(Generic[Note]):
    """A file after decoding: what is to be said of it, and what the networks are to see of it."""

    note: Note
    views: tuple[View, ...] = ()


@dataclass(frozen=True)
class Runner:
    """A network of a pass: a batch of views in, something for each of them out."""

    run: Callable[[Pixels], Iterable[Any]]
    batch_size: int


@dataclass(frozen=True)
class FilmPass(Generic[AnyFile, Note, Row]):
    """How files become rows."""

    open: Callable[[AnyFile], FilmViews[Note]]
    """Run in threads; `opener` makes one for encoded films."""
    row: Callable[[Note, tuple[Any, ...]], Row]
    """Make a row of a note and of what the networks found in each of the views."""
    networks: tuple[Runner, ...] = ()
    threads: int = 1
    """That decode."""
    views: int = 1
    """About how many a film has: fewer films wait where each is large."""
    clock: Clock = field(default_factory=Clock)
    """Knows where the time goes; one that `open` shares has its stages too."""

    def rows(self, parts: Iterable[Sequence[AnyFile]]) -> Iterator[list[Row]]:
        """Turn lists of files into lists of rows, one for one and in order.

        Batches reach over the ends of lists, so a short list costs no more than a long one. At
        most two batches of films beyond the list that is being read wait in memory.
        """
        lengths, done = deque[int](), list[Row]()
        for row in _rows(self._ahead(_flat(parts, lengths)), self.networks, self.row, self.clock):
            done.append(row)
            while lengths and lengths[0] <= len(done):
                length = lengths.popleft()
                yield done[:length]
                del done[:length]
        yield from ([] for _ in lengths)

    def _ahead(self, files: Iterable[AnyFile]) -> Iterator[FilmViews[Note]]:
        """Decode ahead in threads, in order."""
        batch = max((runner.batch_size for runner in self.networks), default=1)
        most = max(2, 2 * batch // self.views)
        waiting, held = deque[tuple[Future[FilmViews[Note]], AnyFile, int]](), 0
        threads = ThreadPoolExecutor(self.threads, thread_name_prefix="decode")
        try:
            for file in files:
                weight = file.weight
                held += weight
                waiting.append((threads.submit(self.open, file), file, weight))
                while len(waiting) > most or (held > AHEAD_BYTES and len(waiting) > 1):
                    shown, first, weight = waiting.popleft()
                    held -= weight
                    yield self._opened(shown, first)
            while waiting:
                yield self._opened(*waiting.popleft()[:2])
        finally:
            threads.shutdown(cancel_futures=True)

    def _opened(self, shown: Future[FilmViews[Note]], file: AnyFile) -> FilmViews[Note]:
        """Wait for a film; one that takes very long is named in the log before it is done."""
        with self.clock.stage("waiting"):
            try:
                return shown.result(SLOW)
            except TimeoutError:
                LOG.warning(f"still decoding after {SLOW} s: {file}")
                return shown.result()


def opener(
    look: Callable[[AnyFile, Content, Film], FilmViews[Note]],
    refuse: Callable[[AnyFile, Content, BadImage], Note],
    limits: Limits = DEFAULT_LIMITS,
    skip: Callable[[AnyFile, Content], Note | None] = lambda _, __: None,
    *,
    is_wary: bool = False,
    clock: Clock | None = None,
    enough_hw: Size | None = None,
    values_side: int = 0,
) -> Callable[[AnyFile], FilmViews[Note]]:
    """Make the function that reads and decodes a file; a bad one is noted, never raised.

    Args:
        look: Says what is to be noted of a decoded film, and what the networks are to see of it.
        refuse: Says what is to be noted of a file that is no film.
        limits: What a film may cost.
        skip: Says what is to be noted of a file that need not be decoded; None of one that must.
        is_wary: Decode every file in a child process, harmless as it may look.
        clock: Of the pass.
        enough_hw: A size than which `look` needs no more; see `decode`.
        values_side: How large `look` wants the film in the bits of its file; see `decode`, too.
    """
    read, clock = decode_apart if is_wary else decode, clock or Clock()
    if enough_hw:
        read = partial(read, enough_hw=enough_hw)
    if values_side:
        read = partial(read, values_side=values_side)

    def open_(file: AnyFile) -> FilmViews[Note]:
        content = Content(b"")
        try:
            with clock.stage("reading"):
                content = Content(file.read())
            note = skip(file, content)
            if note is not None:
                return FilmViews(note)
            with clock.stage("decoding"):
                film = read(content.data, limits)
            return look(file, content, film)
        except BadImage as bad:
            return FilmViews(refuse(file, content, bad))
        except MemoryError:
            why = BadImage("out_of_memory", f"{content.weight} bytes")
            return FilmViews(refuse(file, content, why))

    return open_


def _flat(parts: Iterable[Sequence[AnyFile]], lengths: deque[int]) -> Iterator[AnyFile]:
    """Give file after file, and note how many each list had before its first one goes."""
    for files in parts:
        lengths.append(len(files))
        yield from files


@dataclass
class _Pending(Generic[Note]):
    """A film whose views are with the networks."""

    note: Note
    found: list[Any]
    left: int


@dataclass
class _Batch:
    """Views that wait for one network, each with its film and its place there."""

    runner: Runner
    clock: Clock
    views: list[tuple[Pixels, _Pending[Any], int]] = field(default_factory=list)
    films: int = 0
    """That have come since the last run, those without a view among them."""

    def add(self, pixels: Pixels, film: _Pending[Any], place: int) -> None:
        """Take a view, and run when the batch is full."""
        self.views.append((pixels, film, place))
        if len(self.views) == self.runner.batch_size:
            self.run()

    def run(self) -> None:
        """Run the network over what has come, and give each film what was found."""
        views, self.views, self.films = self.views, [], 0
        with self.clock.stage("network"):
            found = iter(self.runner.run(np.stack([view[0] for view in views])) if views else ())
            for _, film, place in views:
                film.found[place] = next(found)
                film.left -= 1


def _rows(
    films: Iterable[FilmViews[Note]],
    networks: Sequence[Runner],
    make: Callable[[Note, tuple[Any, ...]], Row],
    clock: Clock,
) -> Iterator[Row]:
    """Run the networks over full batches; what they need not see costs nothing, and keeps order."""
    batches = [_Batch(runner, clock) for runner in networks]
    pending = deque[_Pending[Note]]()
    for shown in films:
        film = _Pending(shown.note, [None] * len(shown.views), len(shown.views))
        pending.append(film)
        for batch in batches:
            batch.films += 1
        for place, view in enumerate(shown.views):
            batches[view.network].add(view.pixels, film, place)
        for batch in batches:  # rather unfilled than with too many films that wait for it
            if batch.films >= MOST_IDLE * batch.runner.batch_size:
                batch.run()
        yield from _ready(pending, make)
    for batch in batches:
        batch.run()
    yield from _ready(pending, make)


def _ready(
    pending: deque[_Pending[Note]], make: Callable[[Note, tuple[Any, ...]], Row]
) -> Iterator[Row]:
    while pending and not pending[0].left:
        film = pending.popleft()
        yield make(film.note, tuple(film.found))
