"""What all routes share: the model, its queue, its heat maps, its counters, its settings."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from spark_cxr.backbones import engines
from spark_cxr.backbones.engines import Engine
from spark_cxr.errors import BadImage
from spark_cxr.images.apart import close_children
from spark_cxr.images.decode import is_harmless
from spark_cxr.images.heat import on_part
from spark_cxr.model.attribution import make_attribution
from spark_cxr.model.examples import read_examples
from spark_cxr.model.explanation import explanations
from spark_cxr.model.findings import findings_in
from spark_cxr.model.manifest import check_takes_films
from spark_cxr.model.model import Model, load_model
from spark_cxr.model.neighbours import HeldVectors, check_network, open_vectors
from spark_cxr.model.predictor import Prediction, refusal_of
from spark_cxr.output import Output, absolute
from spark_cxr.phantoms import phantoms
from spark_cxr.serve.answers import Heat, heat_of, named
from spark_cxr.serve.batches import STEP, Batcher, FilmAnswer, FilmReader, ReadFilm, read_film
from spark_cxr.serve.bodies import Refusal, Room, Sent
from spark_cxr.serve.examples import Example, examples_of
from spark_cxr.serve.grey_values import Developer
from spark_cxr.serve.guard import Gauges
from spark_cxr.serve.work_queue import WorkQueue
from spark_cxr.settings import Serve

MOST_WAITING = 8
"""Heat maps that may wait: each can cost several predictions."""

Found = TypeVar("Found")
CLOSE_S = 2.0
"""How long each kind of work that nobody waits for any more may keep a server from ending."""


class Explainer:
    """Makes heat maps one at a time, in a thread beside the answers."""

    def __init__(self, model: Model) -> None:
        """Start with nothing to do."""
        self._model = model
        self._lane = WorkQueue("explain", 1, MOST_WAITING)

    async def explain(self, film: ReadFilm, prediction: Prediction, label: str) -> Heat:
        """Say where in a film that the network has seen its answer comes from.

        Raises:
            Refusal: 503, too many are waiting.
        """
        return await self._lane.in_turn("heat maps", self._made, film, prediction, label)

    def _made(self, film: ReadFilm, prediction: Prediction, label: str) -> Heat:
        if film.grey is None:
            raise TypeError("a film that is to be explained was kept")
        attribution = make_attribution("auto", self._model.predictor.head, self._model.plan)
        (trace,) = attribution.trace(film.pixels[None])
        labels, picture = self._model.labels, film.picture
        (found,) = explanations(
            *(film.grey, trace, prediction, labels, attribution.method, (label,)),
            grid=on_part(attribution.grid, picture.box),
            points=self._model.predictor.thresholds,
            lungs=picture.lungs,
        )
        return heat_of(found)

    def warm(self, read_film: Callable[[], ReadFilm | BadImage]) -> None:
        """Have everything ready for the first map, without waiting for it."""
        self._lane.submit(self._warmed, read_film)

    def _warmed(self, read_film: Callable[[], ReadFilm | BadImage]) -> None:
        model, film = self._model, read_film()
        if isinstance(film, ReadFilm):
            vector = engines.load(model.plan).features(film.pixels[None])[0]
            self._made(film, model.predictor.predict(vector, film.picture), model.labels[0])

    def close(self, seconds: float) -> None:
        """Finish the map that is being made, if that is soon."""
        self._lane.close(time.monotonic() + seconds)


@dataclass(frozen=True)
class Service:
    """A model that is ready to answer requests."""

    model: Model
    engine: Engine
    batcher: Batcher
    gauges: Gauges
    room: Room
    settings: Serve
    explainer: Explainer
    developer: Developer
    neighbours: HeldVectors | None = None
    """Films beside which those of requests are put, where that is wanted."""
    examples: Mapping[str, Example] = field(default_factory=dict)
    """Films to try the page with, by name."""

    async def see(
        self,
        request: Request,
        images: Sequence[Sent],
        shows: bool = False,
        explains: bool = False,
    ) -> list[FilmAnswer]:
        """Look at images together with those of other requests; in order, bad ones with a reason.

        Raises:
            Refusal: 503, the queue is full; 499, the client has gone.
        """
        good = [each for each in images if isinstance(each, bytes)]
        waiting = [asyncio.wrap_future(each) for each in self.batcher.submit(good, shows, explains)]
        try:
            together: asyncio.Future[list[FilmAnswer]] = asyncio.gather(*waiting)
            found = await self.before_gone(request, together)
        finally:
            for each in waiting:
                each.cancel()
        done = iter(found)
        answers = [
            FilmAnswer(Prediction(bad=each)) if isinstance(each, BadImage) else next(done)
            for each in images
        ]
        for one in answers:
            for result in _results(one.prediction, self.model.manifest.is_of_findings):
                self.gauges.said(result)
        return answers

    async def before_gone(self, request: Request, wanted: asyncio.Future[Found]) -> Found:
        """Wait for an answer, as long as somebody waits for it.

        Raises:
            Refusal: 499, the client has gone.
        """
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                return wanted.result()
            wanted.cancel()
            raise Refusal(499, "gone", "the client went away", closes=True)
        finally:
            gone.cancel()

    def close(self) -> None:
        """Stop the children and the threads; what is queued still is for nobody."""
        self.batcher.drop()
        close_children()
        self.batcher.close(CLOSE_S)
        self.explainer.close(CLOSE_S)
        self.developer.close(CLOSE_S)


async def _gone(request: Request) -> None:
    """Wait until the client has gone; to be called after its body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


def _results(prediction: Prediction, is_of_findings: bool) -> tuple[str, ...]:
    """Name what a film counts as: one of few words, however many findings it may have."""
    if prediction.bad:
        return (prediction.bad.reason,)
    label = prediction.label or refusal_of(prediction.flags)
    return (findings_in(label) if is_of_findings else ()) or (label,)


def open_service(settings: Serve) -> Service:
    """Load the model and let it look at a drawn film, so that the first client finds it warm."""
    model = _loaded(settings)
    engine, neighbours = engines.load(model.plan), _neighbours(settings, model)
    name = named(model.manifest)
    gauges = Gauges({"name": name.name, "version": name.version})
    reader = partial(
        read_film,
        limits=model.limits,
        network=model.plan.network,
        reduces=settings.reduce == "auto",
    )
    batcher = Batcher(
        reader,
        engine,
        model.predictor,
        threads=model.plan.threads,
        most=settings.max_waiting,
        seconds=settings.seconds,
        is_harmless=is_harmless,
        ran=gauges.ran,
    )
    explainer = Explainer(model)
    _warm(batcher, explainer, reader, max(64, model.limits.min_side))
    room = Room(settings.max_held_bytes)
    gauges.watch("waiting_films", lambda: batcher.waiting)
    gauges.watch("held_bytes", lambda: room.held)
    developer, examples = Developer(model.limits), _examples(settings, model)
    return Service(
        model, engine, batcher, gauges, room, settings, explainer, developer, neighbours, examples
    )


def _loaded(settings: Serve) -> Model:
    """Open the model directory, with a limit of pixels that may be lower than the training's."""
    model = load_model(
        settings.model,
        threads=settings.threads,
        device=settings.device,
        batch_size=STEP,
        single=True,
        public_key=settings.require_signature,
    )
    check_takes_films(model.manifest)
    limits = model.limits
    most = min(limits.max_pixels, settings.max_image_pixels)
    return replace(model, limits=replace(limits, max_pixels=most))


def _examples(settings: Serve, model: Model) -> dict[str, Example]:
    """Read the films that travel with the model; those of older ones are drawn."""
    place = Output(absolute(settings.model).rstrip("/"))
    return examples_of(*read_examples(place, model.manifest))


def _neighbours(settings: Serve, model: Model) -> HeldVectors | None:
    """Read the vectors of --neighbours, if the model's own network has made them."""
    if not settings.neighbours:
        return None
    table = open_vectors(settings.neighbours, "--neighbours")
    check_network(table, model.plan)
    return table.held(model.manifest.features)


def _warm(batcher: Batcher, explainer: Explainer, reader: FilmReader, side: int) -> None:
    """Run what the first client would wait for; a DICOM and a heat map without waiting for them."""
    png, dicom = (film.data for film in phantoms(2, seed=0, size=side, formats=("png", "dicom")))
    for films in ([png], [png] * min(STEP, batcher.most)):
        for answer in batcher.submit(films):
            answer.result()
        while batcher.waiting:  # a film is answered a moment before it has left the queue
            time.sleep(0.001)
    explainer.warm(lambda: reader(dicom, False, True, math.inf))
