"""The application: the table of routes on FastAPI, behind the guard."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from spark_cxr import __version__
from spark_cxr.errors import BadImage
from spark_cxr.serve.answers import NOTICE
from spark_cxr.serve.guard import LOG, Guard, Say
from spark_cxr.serve.predict import json_response
from spark_cxr.serve.refusals import Refusal, refused
from spark_cxr.serve.routes import (
    COMPLAINTS,
    REFUSALS,
    ROUTES,
    Route,
    extra,
    is_open,
    plainly,
    statuses,
)
from spark_cxr.serve.service import Service

if TYPE_CHECKING:
    from fastapi import FastAPI


def make_app(service: Service, token: str = "", say: Say = LOG.info) -> ASGIApp:
    """Put the routes before a service; it is closed when the server ends."""
    return Guard(api(service, say), service.gauges, token, is_open, say)


def api(service: Service, say: Say = LOG.info) -> FastAPI:
    """Make the application without its guard."""
    from fastapi import FastAPI

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    made = FastAPI(
        title="spark_cxr",
        version=__version__,
        description=NOTICE,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={HTTPException: _no_route},
    )
    for route in ROUTES:
        _add(made, route, service, say)
    return made


def _add(made: FastAPI, route: Route, service: Service, say: Say) -> None:
    complaints: dict[int | str, dict[str, Any]] = {
        status: {"description": REFUSALS[status], "model": COMPLAINTS[route.complain]}
        for status in statuses(route)
    }
    good: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer", "content": {route.media_type: {}}}
    }
    made.add_api_route(
        route.path,
        _endpoint(route, service, say),
        methods=[route.method],
        summary=route.summary,
        tags=[route.tag],
        name=f"{route.method} {route.path}",
        response_model=route.gives,
        response_class=Response,
        responses={**good, **complaints},
        openapi_extra=extra(route),
    )


def _endpoint(route: Route, service: Service, say: Say) -> Callable[[Request], Awaitable[Response]]:
    """Let a handler answer, and turn whatever it raises into an answer."""

    async def answered(request: Request) -> Response:
        try:
            return await route.handle(service, request)
        except Refusal as refusal:
            told = refusal
        except BadImage as bad:
            told = refused(bad)
        except Exception as error:  # noqa: BLE001 - one request must not end the others
            say(f"id={request.state.id} {_place(error)}")
            told = Refusal(500, "failed", "the server failed; its log has the place")
        body = route.complain(told, request.state.id)
        return json_response(body, told.status, told.headers)

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
    told = Refusal(status, reason, "see /docs for what can be asked")
    return json_response(plainly(told, request.state.id), status, headers)
