"""The product's own routes: predict, the model's card, health, metrics."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from spark_cxr.backbones.catalog import FAKE_CAVEAT
from spark_cxr.errors import BadImage
from spark_cxr.images.sight import FILM
from spark_cxr.model.explanation import target_of
from spark_cxr.model.manifest import Manifest
from spark_cxr.serve.answers import NOTICE, Answer, Answers, NearFilm, answer, named
from spark_cxr.serve.batches import FilmAnswer
from spark_cxr.serve.bodies import UNPROCESSABLE, Refusal, Sent, body_of, images_sent, refused
from spark_cxr.serve.grey_values import LONGEST, MOST_LONGEST
from spark_cxr.serve.service import Service

LARGE = 1 << 20
"""Bytes of a large body."""
MOST_SIMILAR = 20
Found = TypeVar("Found")


@dataclass(frozen=True)
class AnswerOptions:
    """What the address of a request says."""

    shows: bool
    label: str | None
    """None: no heat map; empty: that of the class that is named, or of the leading finding."""
    is_inline: bool
    """An image that is no film is told in its place, also where no other is one."""
    similar: int = 0
    """How many of the films that are most like it are wanted."""


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON in which no NaN can be."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text, status, dict(headers or {}), "application/json")


async def predict(service: Service, request: Request) -> Response:
    """Answer for one image or several, in any of the forms in which they may come."""
    settings, kind = service.settings, request.headers.get("content-type", "")
    async with body_of(request, service.room, settings.max_body_bytes, settings.seconds) as body:
        images = await read_body(
            body, partial(images_sent, content_type=kind, most=settings.max_images)
        )
        return await answer_images(service, request, images)


async def read_body(body: bytes, read: Callable[[bytes], Found]) -> Found:
    """Take a body apart; a large one in a thread, so that other connections go on."""
    return await asyncio.to_thread(read, body) if len(body) > LARGE else read(body)


async def answer_images(service: Service, request: Request, images: Sequence[Sent]) -> Response:
    """Look at the images of a request, and say what they are."""
    options, name = _options(service, request), named(service.model.manifest)
    films = await service.see(request, images, options.shows, options.label is not None)
    if not options.is_inline:
        _refuse_all_bad(films)
    answers = [await _answer(service, each, options) for each in films]
    spent = round(1000 * (time.perf_counter() - request.state.started), 2)
    return json_response(asdict(Answers(answers, name, spent, request.state.id)))


def _options(service: Service, request: Request) -> AnswerOptions:
    query = request.query_params
    shows = query.get("film", "").lower() in ("1", "true")
    label = _wanted_label(service.model.labels, query.get("explain", ""))
    similar = _wanted_neighbours(service, query.get("similar", "0"))
    return AnswerOptions(shows, label, query.get("errors", "") == "inline", similar)


def _wanted_neighbours(service: Service, word: str) -> int:
    """Read ?similar.

    Raises:
        Refusal: 400, it is no number in range, or this server has no films to search.
    """
    is_number = word.isascii() and word.isdigit() and len(word) <= len(str(MOST_SIMILAR))
    if not is_number or int(word) > MOST_SIMILAR:
        raise Refusal(400, "bad_number", f"similar is a number up to {MOST_SIMILAR}")
    if int(word) and service.neighbours is None:
        raise Refusal(400, "no_neighbours", "the server was started without --neighbours")
    return int(word)


def _wanted_label(labels: Sequence[str], word: str) -> str | None:
    """Read ?explain: None where no heat is wanted, "" for the class that the answer names.

    Raises:
        Refusal: 400, it is a label that the model does not have.
    """
    if word.lower() in ("", "0", "false"):
        return None
    if word.lower() in ("1", "true"):
        return ""
    if word not in labels:
        raise Refusal(400, "unknown_label", f"explain is 1 or one of {', '.join(labels)}")
    return word


def _refuse_all_bad(films: Sequence[FilmAnswer]) -> None:
    """Refuse a request of which no image is a film."""
    bad = [each.prediction.bad for each in films]
    found = [each for each in bad if each is not None]
    if len(found) < len(films):
        return
    if len(found) == 1:
        raise refused(found[0])
    counts = Counter(each.reason for each in found)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    raise Refusal(UNPROCESSABLE, "no_film", f"none of the {len(films)} images is one: {reasons}")


async def _answer(service: Service, found: FilmAnswer, options: AnswerOptions) -> Answer:
    prediction, heat = found.prediction, None
    points = service.model.manifest.thresholds
    if options.label is not None and prediction.label and found.film:
        wanted = options.label or target_of(prediction, points)
        heat = await service.explainer.explain(found.film, prediction, wanted)
    similar = None
    if options.similar and service.neighbours and prediction.label and found.vector is not None:
        search = service.neighbours.nearest
        near = await asyncio.to_thread(search, found.vector, options.similar)
        similar = [NearFilm(*each) for each in near]
    uncertain, decision = service.settings.uncertain, service.model.predictor.decision
    return answer(found, uncertain, heat, similar, points, decision)


async def grey_values(service: Service, request: Request) -> Response:
    """Give one film in the bits of its file."""
    settings, kind = service.settings, request.headers.get("content-type", "")
    longest = _longest(request.query_params.get("longest", str(LONGEST)))
    packs = "gzip" in request.headers.get("accept-encoding", "")
    async with body_of(request, service.room, settings.max_body_bytes, settings.seconds) as body:
        (image,) = await read_body(body, partial(images_sent, content_type=kind, most=1))
        if isinstance(image, BadImage):
            raise refused(image)
        developing = asyncio.ensure_future(
            service.developer.develop(image, longest, settings.seconds, packs)
        )
        try:
            values = await service.before_gone(request, developing)
        finally:
            developing.cancel()
    headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if packs else {})
    return Response(values, headers=headers, media_type="application/octet-stream")


def _longest(word: str) -> int:
    """Read ?longest.

    Raises:
        Refusal: 400, it is no number in range.
    """
    is_number = word.isascii() and word.isdigit() and len(word) <= len(str(MOST_LONGEST))
    if not is_number or not 0 < int(word) <= MOST_LONGEST:
        raise Refusal(400, "bad_number", f"longest is a number from 1 to {MOST_LONGEST}")
    return int(word)


async def health(service: Service, _: Request) -> Response:
    """Say that the model answers, and how busy it is."""
    name = named(service.model.manifest)
    now = {"waiting_films": service.batcher.waiting, "held_bytes": service.room.held}
    return json_response({"status": "ok", "model": asdict(name), **now})


async def metrics(service: Service, _: Request) -> Response:
    """Give the counters to Prometheus."""
    return Response(service.gauges.text(), media_type=CONTENT_TYPE_LATEST)


async def card(service: Service, _: Request) -> Response:
    """Tell what the model is, from what it was made and how good it was on its test."""
    return json_response(card_of(service))


def card_of(service: Service) -> dict[str, Any]:
    """Collect the model's card."""
    manifest, settings = service.model.manifest, service.settings
    return {
        "model": asdict(named(manifest)),
        "notice": NOTICE,
        "labels": manifest.labels,
        "thresholds": manifest.thresholds,
        "decision": _decision_card(manifest),
        "head": manifest.head,
        "backbone": manifest.backbone,
        "see": manifest.see or FILM,
        "weights": asdict(manifest.weights),
        "caveat": FAKE_CAVEAT if manifest.backbone == "fake" else manifest.weights.caveat,
        "overlap": manifest.overlap,
        "metrics": manifest.metrics,
        "split": manifest.split,
        "data": manifest.data,
        "versions": manifest.versions,
        "engine": asdict(service.engine.used),
        "uncertain": settings.uncertain,
        "similar": bool(settings.neighbours),
        "limits": {
            **asdict(service.model.limits),
            "max_body_bytes": settings.max_body_bytes,
            "max_images": settings.max_images,
        },
    }


def _decision_card(manifest: Manifest) -> dict[str, Any] | None:
    """Say how the model's probabilities become answers; None where they are those of its head."""
    found = manifest.decision
    if found is None:
        return None
    return {
        "recalibration": found.recalibration.kind if found.recalibration else None,
        "points": {point.label: asdict(point) for point in found.points},
        "coverage": found.coverage or None,
        "films": found.films,
        "patients": found.patients,
    }
