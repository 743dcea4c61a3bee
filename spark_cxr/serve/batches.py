"""Films of many connections → the network, in as large steps as their arrival allows.

Threads decode; one thread runs the network over whatever is ready. It takes films at once when no
other is on its way, so one client alone never waits; while the network is busy, or films are being
decoded, they gather. So steps fill up by themselves under load. Files that may take long to decode
are decoded in threads of their own, and are waited for by nobody else.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Condition, Thread

import numpy as np

from spark_cxr.backbones.engines import Engine
from spark_cxr.backbones.featurize import Vector
from spark_cxr.backbones.network import Network
from spark_cxr.errors import BadImage
from spark_cxr.images.film import Film, Limits, Pixels, Spacing
from spark_cxr.images.film_pass import Content, FilmViews, opener
from spark_cxr.images.heat import LONGEST, bounded
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_png
from spark_cxr.model.predictor import Picture, Prediction, Predictor, look_at_film
from spark_cxr.serve.bodies import busy
from spark_cxr.serve.work_queue import WorkQueue, join


@dataclass(frozen=True)
class FileFacts:
    """What the file of a film says, as far as it may be told: no tag of a patient."""

    format: str
    width: int
    height: int
    bits: int
    view: str | None
    spacing: Spacing | None = None
    """Of its pixels, in millimetres."""


@dataclass(frozen=True)
class ReadFilm:
    """A film that is ready for the network."""

    picture: Picture
    pixels: Pixels
    file: FileFacts
    png: bytes | None = None
    """The film in 8 bits, for a browser; made only where it was asked for."""
    grey: Pixels | None = None
    """The film as a picture of its heat has it, no larger than a screen; only where that was asked
    for."""


def read_film(
    content: bytes,
    shows: bool = False,
    explains: bool = False,
    seconds: float = math.inf,
    *,
    limits: Limits,
    network: Network,
    reduces: bool = False,
) -> ReadFilm | BadImage:
    """Decode an image once, make it ready, and keep what is to be shown of it.

    With `reduces` a film of which nothing is to be shown may be decoded at a lower resolution.
    """
    limits = replace(limits, seconds=min(limits.seconds, seconds))

    def look_at(_: Content, __: Content, film: Film) -> FilmViews[ReadFilm | BadImage]:
        picture, pixels = look_at_film(film.pixels, film.flags, network.fit, wants_lungs=explains)
        height, width = film.file_hw
        file = FileFacts(film.format, width, height, film.bits, film.view, film.spacing)
        png = draw(film) if shows else None
        grey = bounded(film.pixels, LONGEST) if explains else None
        return FilmViews(ReadFilm(picture, pixels, file, png, grey))

    enough_hw = network.enough_hw if reduces and not (shows or explains) else None
    open_ = opener(look_at, lambda _, __, bad: bad, limits, enough_hw=enough_hw)
    return open_(Content(content)).note


def draw(film: Film) -> bytes:
    """Write a film as PNG, no larger than a screen, with nothing of its file but the pixels."""
    pixels = film.pixels
    return encode_png(scaled(pixels, LONGEST) if max(pixels.shape[:2]) > LONGEST else pixels)


STEP = 8
"""Films of a full step, as the engine for processors has it; a GPU takes them as well."""
PATIENCE_S = 0.05
"""How long a film that is ready waits for others that are being decoded."""

FilmReader = Callable[[bytes, bool, bool, float], ReadFilm | BadImage]
"""Takes what is to be kept of a film, and the seconds that its decoding may take."""
_DECODING = 0.8
"""Of the time that is left, what decoding may take: a file that takes longer is too slow, and to
say so is better than to have its client come again."""
_LEAST_S = 0.1
"""A film whose time is all but over gets this much, and no limit of zero."""


@dataclass(frozen=True)
class FilmAnswer:
    """What became of one image."""

    prediction: Prediction
    file: FileFacts | None = None
    png: bytes | None = None
    film: ReadFilm | None = None
    """What the network saw, where it is to be explained."""
    vector: Vector | None = None


@dataclass
class Ticket:
    """One image on its way."""

    content: bytes
    shows: bool
    explains: bool
    ends: float
    """When nobody waits for it any more."""
    is_harmless: bool
    answer: Future[FilmAnswer] = field(default_factory=Future)
    film: ReadFilm | None = None


class Batcher:
    """Holds the queue, the threads and the network.

    There are two lanes of decoding threads. Files that are not plainly harmless have one of their
    own: however long they take, films in the other do not wait for them.
    """

    def __init__(
        self,
        reader: FilmReader,
        engine: Engine,
        predictor: Predictor,
        *,
        threads: int,
        most: int,
        seconds: float = math.inf,
        is_harmless: Callable[[bytes], bool] = lambda _: True,
        ran: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start the threads; `ran` is told how many films each run of the network had.

        Args:
            reader: Decodes a film in at most the seconds that it is given.
            engine: Runs the network.
            predictor: Says what a vector means.
            threads: Of each lane.
            most: Films that may wait in each lane.
            seconds: How long anybody waits for a film.
            is_harmless: Says of a file which lane is its own.
            ran: Is told how many films each run of the network had.
        """
        self._reader, self._engine, self._predictor, self._ran = reader, engine, predictor, ran
        self._seconds, self._is_harmless = seconds, is_harmless
        self.most, self._coming = most, 0
        self._ready: deque[Ticket] = deque()
        self._changed = Condition()
        self._is_open, self._drops, self._is_closed = True, False, False
        self._lanes = {
            True: WorkQueue("decode", threads, most),
            False: WorkQueue("decode-apart", threads, most),
        }
        self._runner = Thread(target=self._run, name="network", daemon=True)
        self._runner.start()

    @property
    def waiting(self) -> int:
        """Count the films that are on their way."""
        return sum(lane.waiting for lane in self._lanes.values())

    def submit(
        self, contents: Sequence[bytes], shows: bool = False, explains: bool = False
    ) -> list[Future[FilmAnswer]]:
        """Queue images: all of a request or, where there is no room for all, none.

        Raises:
            Refusal: 503, as many films are waiting as may.
        """
        ends = time.monotonic() + self._seconds
        tickets = [
            Ticket(content, shows, explains, ends, self._is_harmless(content))
            for content in contents
        ]
        counts = Counter(ticket.is_harmless for ticket in tickets)
        with self._changed:
            if not self._is_open:
                raise busy("the server is stopping")
            for kind, lane in self._lanes.items():
                if lane.waiting + counts[kind] > lane.most:
                    raise busy(f"{lane.waiting} films are waiting, at most {lane.most} may")
            for kind, lane in self._lanes.items():
                lane.waiting += counts[kind]
            self._coming += counts[True]
        for ticket in tickets:
            ticket.answer.add_done_callback(partial(self._left, ticket))
            self._lanes[ticket.is_harmless].submit(self._decode, ticket)
        return [ticket.answer for ticket in tickets]

    def drop(self) -> None:
        """Read no film any more: whoever waits for one is asked to come again."""
        self._is_open, self._drops = False, True

    def close(self, seconds: float = math.inf) -> None:
        """Answer what is queued, then stop; after some seconds, leave what is not ready."""
        ends = time.monotonic() + seconds
        with self._changed:
            self._is_open = False
        for lane in self._lanes.values():
            lane.close(ends)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        join(self._runner, ends)

    def _left(self, ticket: Ticket, _: Future[FilmAnswer]) -> None:
        ticket.content = b""  # whoever has gone leaves no bytes in the queue
        with self._changed:
            self._lanes[ticket.is_harmless].waiting -= 1

    def _decode(self, ticket: Ticket) -> None:
        """Read an image; one that nobody waits for any more is dropped unread."""
        found: ReadFilm | BadImage | None = None
        try:
            if self._drops:
                _settle(ticket, busy("the server is stopping"))
            elif not ticket.answer.cancelled():
                left = max(_LEAST_S, _DECODING * (ticket.ends - time.monotonic()))
                found = self._reader(ticket.content, ticket.shows, ticket.explains, left)
                ticket.content = b""
        except Exception as error:  # noqa: BLE001 - the thread has to live on for the others
            _settle(ticket, error)
        finally:
            with self._changed:
                # The network does not wait for films that may take long.
                self._coming -= ticket.is_harmless
                if isinstance(found, ReadFilm):
                    ticket.film = found
                    self._ready.append(ticket)
                self._changed.notify_all()
        if isinstance(found, BadImage):
            _settle(ticket, FilmAnswer(Prediction(bad=found)))

    def _run(self) -> None:
        while (tickets := self._taken()) is not None:
            try:
                self._predict(tickets)
            except Exception as error:  # noqa: BLE001 - the thread has to live on for the others
                for ticket in tickets:
                    _settle(ticket, error)

    def _taken(self) -> list[Ticket] | None:
        """Wait for films, then take as many as make a step; None after the end."""
        full = self._engine.used.batch_size
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_closed)
            ends = time.monotonic() + PATIENCE_S
            while len(self._ready) < full and self._coming:
                left = ends - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            count = min(full, len(self._ready))
            return [self._ready.popleft() for _ in range(count)] if count else None

    def _predict(self, tickets: Sequence[Ticket]) -> None:
        wanted = [(t, t.film) for t in tickets if t.film and not t.answer.cancelled()]
        if not wanted:
            return
        vectors = self._engine.features(np.stack([film.pixels for _, film in wanted]))
        for (ticket, film), vector in zip(wanted, vectors, strict=True):
            prediction = self._predictor.predict(vector, film.picture)
            kept = film if ticket.explains else None
            _settle(ticket, FilmAnswer(prediction, film.file, film.png, kept, vector))
        self._ran(len(wanted))


def _settle(ticket: Ticket, outcome: FilmAnswer | Exception) -> None:
    """Give the answer, unless whoever asked has gone."""
    if ticket.answer.done() or not ticket.answer.set_running_or_notify_cancel():
        return
    if isinstance(outcome, FilmAnswer):
        ticket.answer.set_result(outcome)
    else:
        ticket.answer.set_exception(outcome)
