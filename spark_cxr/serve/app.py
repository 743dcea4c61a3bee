"""The application: every route in one table, put on FastAPI behind the guard.

The table says what answers, who may ask, and what /openapi.json says of it.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from spark_cxr import __version__
from spark_cxr.errors import BadImage
from spark_cxr.model.exchange import IMAGE
from spark_cxr.serve import open_inference, page, predict, sagemaker
from spark_cxr.serve.answers import NOTICE, Answers, Complaint, Failure, Named, named
from spark_cxr.serve.bodies import Refusal, refused
from spark_cxr.serve.examples import NO_FILM
from spark_cxr.serve.grey_values import LONGEST, MOST_LONGEST
from spark_cxr.serve.guard import LOG, Guard, Say
from spark_cxr.serve.hosts import LOCAL, Hosts
from spark_cxr.serve.predict import json_response
from spark_cxr.serve.sagemaker import SHAPES
from spark_cxr.serve.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI

Handle = Callable[[Service, Request], Awaitable[Response]]
Complain = Callable[[Refusal, str], Mapping[str, str]]


def plainly(refusal: Refusal, request_id: str) -> Mapping[str, str]:
    """Say why, as the product's own routes do."""
    fields = {"reason": refusal.reason, "detail": refusal.detail}
    return {**fields, "request_id": request_id}


def as_open_inference(refusal: Refusal, _: str) -> Mapping[str, str]:
    """Say why, as version 2 of the protocol has it."""
    return {"error": f"{refusal.reason}: {refusal.detail}"}


def as_mlflow(refusal: Refusal, request_id: str) -> Mapping[str, str]:
    """Say why, in the words that MLflow's clients look for, beside our own."""
    code = "BAD_REQUEST" if refusal.status < 500 else "TEMPORARILY_UNAVAILABLE"
    fields = {"error_code": code, "message": f"{refusal.reason}: {refusal.detail}"}
    return {**plainly(refusal, request_id), **fields}


COMPLAINTS: Mapping[Complain, type] = {
    plainly: Complaint,
    as_mlflow: Complaint,
    as_open_inference: Failure,
}
"""The form of what each of them says."""


@dataclass(frozen=True)
class Route:
    """One address."""

    path: str
    method: str
    handle: Handle
    summary: str
    tag: str
    is_open: bool = False
    """For everybody, also where a token is asked for."""
    takes: str = ""
    """What its body is: a key of `openapi.BODIES`; empty for none."""
    gives: type | None = None
    media_type: str = "application/json"
    complain: Complain = plainly


PREDICT, PAGE, SAGEMAKER, V2 = "predict", "page", "SageMaker and MLflow", "Open Inference"
_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"

ROUTES = (
    Route(
        "/predict",
        "POST",
        predict.predict,
        "Classify films",
        PREDICT,
        takes="images",
        gives=Answers,
    ),
    Route(
        "/grey-values",
        "POST",
        predict.grey_values,
        "A film in the bits of its file: a line of JSON, then 16 bits a value, low byte first",
        PREDICT,
        takes="film",
        media_type="application/octet-stream",
    ),
    Route("/model", "GET", predict.card, "The model's card", PREDICT),
    Route("/health", "GET", predict.health, "Is it well, and how busy", PREDICT, is_open=True),
    Route(
        "/metrics",
        "GET",
        predict.metrics,
        "Counters for Prometheus",
        PREDICT,
        media_type="text/plain",
    ),
    Route("/", "GET", page.index, "The page", PAGE, is_open=True, media_type="text/html"),
    Route(
        "/docs",
        "GET",
        page.docs,
        "The routes, described",
        PAGE,
        is_open=True,
        media_type="text/html",
    ),
    Route("/static/{name}", "GET", page.static, "Files of the page", PAGE, True, media_type="*/*"),
    Route("/examples", "GET", page.examples, "Films to try", PAGE),
    Route("/examples/{name}", "GET", page.example, "A film to try", PAGE, media_type="*/*"),
    Route("/ping", "GET", sagemaker.ping, "Is it well", SAGEMAKER, is_open=True),
    Route(
        "/execution-parameters",
        "GET",
        sagemaker.execution_parameters,
        "How a batch transform should send",
        SAGEMAKER,
    ),
    Route(
        "/invocations",
        "POST",
        sagemaker.invocations,
        "Classify films, or the rows of a table",
        SAGEMAKER,
        takes="invocations",
        complain=as_mlflow,
    ),
    Route("/v2", "GET", open_inference.server, "What server this is", V2),
    Route("/v2/health/live", "GET", open_inference.live, "Does it live", V2, is_open=True),
    Route("/v2/health/ready", "GET", open_inference.live, "Is it ready", V2, is_open=True),
    *(
        Route(f"{root}{end}", method, handle, summary, V2, takes=takes, complain=as_open_inference)
        for root in (_MODEL, _VERSION)
        for end, method, handle, summary, takes in (
            ("", "GET", open_inference.metadata, "What goes in and comes out", ""),
            ("/ready", "GET", open_inference.ready, "Is the model ready", ""),
            ("/infer", "POST", open_inference.infer, "Classify the films of a tensor", "infer"),
        )
    ),
)
OPEN_PREFIXES = ("/static/",)
_OPEN = {route.path for route in ROUTES if route.is_open} | {"/openapi.json"}


def is_open(path: str) -> bool:
    """Say whether a path is for everybody, token or not: nothing of a model or a film is there."""
    return path in _OPEN or path.startswith(OPEN_PREFIXES)


_BINARY = {"type": "string", "format": "binary", "minLength": 1}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_IMAGES: dict[str, Any] = {
    "image/png": {"schema": _BINARY},
    "image/jpeg": {"schema": _BINARY},
    "application/dicom": {"schema": _BINARY},
    "application/octet-stream": {"schema": _BINARY},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {IMAGE: {"type": "array", "items": _BINARY, "minItems": 1}},
            "required": [IMAGE],
        }
    },
    "application/json": {
        "schema": {
            "oneOf": [
                {"type": "object", "properties": {IMAGE: _BASE64}, "required": [IMAGE]},
                {
                    "type": "object",
                    "properties": {"images": {"type": "array", "items": _BASE64, "minItems": 1}},
                    "required": ["images"],
                },
            ]
        }
    },
}
_TABLE = {
    "type": "object",
    "description": f"A table with a column {IMAGE} in base64, in one of these shapes",
    "properties": {shape: {} for shape in SHAPES},
    "minProperties": 1,
}
_TENSOR = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"const": IMAGE},
                    "datatype": {"const": "BYTES"},
                    "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                    "data": {"type": "array", "items": _BASE64, "minItems": 1},
                },
                "required": ["name", "datatype", "shape", "data"],
            },
        },
    },
    "required": ["inputs"],
}
BODIES: dict[str, Any] = {
    "images": _IMAGES,
    "film": {kind: content for kind, content in _IMAGES.items() if content["schema"] == _BINARY},
    "invocations": {**_IMAGES, "application/json": {"schema": _TABLE}},
    "infer": {"application/json": {"schema": _TENSOR}},
}
"""Kinds of content by what a route takes."""

PARAMETERS = {
    "images": [
        {
            "name": "explain",
            "in": "query",
            "description": "1, or the class for which to say where in the film it is seen",
            "schema": {"type": "string"},
        },
        {
            "name": "film",
            "in": "query",
            "description": "1: the film in 8 bits as well, for a browser",
            "schema": {"type": "string", "enum": ["0", "1"]},
        },
        {
            "name": "similar",
            "in": "query",
            "description": "how many of the films most like it, where the server has any",
            "schema": {"type": "integer", "minimum": 0, "maximum": predict.MOST_SIMILAR},
        },
        {
            "name": "errors",
            "in": "query",
            "description": "inline: 200 with a reason in the place of each image that is no film",
            "schema": {"type": "string", "enum": ["inline"]},
        },
    ],
    "film": [
        {
            "name": "longest",
            "in": "query",
            "description": "most pixels of the longer side; a longer film is averaged down to them",
            "schema": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_LONGEST,
                "default": LONGEST,
            },
        },
    ],
}

REFUSALS = {
    400: "The request is not what it should be",
    401: "A token is asked for and was not given",
    403: "A browser asks on behalf of another site",
    404: "There is no such thing",
    408: "The request came too slowly",
    413: "Too many bytes, pixels, images or values",
    415: "No image of a kind that is read",
    421: "The header Host has a name that is not this server's",
    422: "An image that cannot become a film",
    503: "Busy: come again after Retry-After seconds",
}


_FILM = "$(base64 -w0 film.png)"
SENDS = {
    "": "curl -s SERVER{path}",
    "images": "curl -s --data-binary @film.png SERVER{path}",
    "film": "curl -s --data-binary @film.png SERVER{path} | sed -n 1p",
    "invocations": 'printf \'{{"dataframe_records": [{{"image": "%s"}}]}}\' '
    f'"{_FILM}" | curl -s --json @- SERVER{{path}}',
    "infer": 'printf \'{{"inputs": [{{"name": "image", "datatype": "BYTES", "shape": [1], '
    f'"data": ["%s"]}}}}]}}}}\' "{_FILM}" | curl -s --json @- SERVER{{path}}',
}
"""A line of a shell by what a route takes; SERVER stands for the server's address."""


def example(route: Route, model: Named) -> str:
    """Write a line of a shell that asks a route of this model's server."""
    names = {"/static/": "page.js", "/examples/": NO_FILM}
    name = next((n for start, n in names.items() if route.path.startswith(start)), model.name)
    return SENDS[route.takes].format(path=route.path.format(name=name, version=model.version))


def extra(route: Route, model: Named) -> dict[str, Any]:
    """Describe what a route takes."""
    described: dict[str, Any] = {"parameters": [*_path_parameters(route), *_query(route)]}
    described["x-example"] = example(route, model)
    if route.takes:
        described["requestBody"] = {"required": True, "content": BODIES[route.takes]}
    if not route.is_open:
        described["security"] = [{}, {"token": []}]
    return described


def _query(route: Route) -> list[dict[str, Any]]:
    return PARAMETERS.get(route.takes, [])


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def statuses(route: Route) -> list[int]:
    """Name the refusals that a route may answer with."""
    body = (400, 408, 413, 415, 422, 503) if route.takes else ()
    named = (404,) if "{" in route.path else ()
    closed = () if route.is_open else (401, 403)
    return sorted({*body, *named, *closed, 421})


# The application


def make_app(
    service: Service, token: str = "", say: Say = LOG.info, hosts: Hosts = LOCAL
) -> ASGIApp:
    """Put the routes before a service; it is closed when the server ends."""
    return Guard(api(service, say), service.gauges, token, is_open, say, hosts)


def api(service: Service, say: Say = LOG.info) -> FastAPI:
    """Make the application without its guard."""
    from fastapi import FastAPI

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="spark_cxr",
        version=__version__,
        description=NOTICE,
        docs_url=None,
        redoc_url=None,
        # It would lead to whatever name the request says that this server has.
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _no_route},
    )
    for route in ROUTES:
        _add(app, route, service, say)
    return app


def _add(app: FastAPI, route: Route, service: Service, say: Say) -> None:
    complaints: dict[int | str, dict[str, Any]] = {
        status: {"description": REFUSALS[status], "model": COMPLAINTS[route.complain]}
        for status in statuses(route)
    }
    good: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer", "content": {route.media_type: {}}}
    }
    app.add_api_route(
        route.path,
        _endpoint(route, service, say),
        methods=[route.method],
        summary=route.summary,
        tags=[route.tag],
        name=f"{route.method} {route.path}",
        response_model=route.gives,
        response_class=Response,
        responses={**good, **complaints},
        openapi_extra=extra(route, named(service.model.manifest)),
    )


def _endpoint(route: Route, service: Service, say: Say) -> Callable[[Request], Awaitable[Response]]:
    """Let a handler answer, and turn whatever it raises into an answer."""

    async def answered(request: Request) -> Response:
        try:
            return await route.handle(service, request)
        except Refusal as refusal:
            answer = refusal
        except BadImage as bad:
            answer = refused(bad)
        except Exception as error:  # noqa: BLE001 - one request must not end the others
            say(f"id={request.state.id} {_place(error)}")
            answer = Refusal(500, "failed", "the server failed; its log has the place")
        body = route.complain(answer, request.state.id)
        return json_response(body, answer.status, answer.headers)

    return answered


def _place(error: Exception) -> str:
    """Name an error and its places without its words: they may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer what leads nowhere in the same form as everything else."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    reason = {404: "not_found", 405: "wrong_method"}.get(status, "refused")
    refusal = Refusal(status, reason, "see /docs for what can be asked")
    return json_response(plainly(refusal, request.state.id), status, headers)
