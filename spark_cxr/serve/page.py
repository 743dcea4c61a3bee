"""The page and what it is made of: files of this package, the same for everybody."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from spark_cxr.report.style import CSS
from spark_cxr.serve.examples import EXAMPLES, drawn
from spark_cxr.serve.predict import json_response
from spark_cxr.serve.refusals import Refusal
from spark_cxr.serve.service import Service

STATIC = {
    "index.html": "text/html; charset=utf-8",
    "docs.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "film.js": "text/javascript; charset=utf-8",
    "answer.js": "text/javascript; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Every file that is handed out, with its type; no other can be reached."""


@cache
def static_file(name: str) -> bytes:
    """Read a file of the page; its looks are those of the reports, and what they do not have."""
    own = files("spark_cxr.serve").joinpath("static", name).read_bytes()
    return CSS.encode() + own if name == "page.css" else own


def _sent(name: str) -> Response:
    return Response(static_file(name), media_type=STATIC[name])


async def index(_: Service, __: Request) -> Response:
    """Give the page."""
    return _sent("index.html")


async def docs(_: Service, __: Request) -> Response:
    """Give the page that describes the routes."""
    return _sent("docs.html")


async def static(_: Service, request: Request) -> Response:
    """Give a file that the pages need."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise Refusal(404, "not_found", "no such file")
    return _sent(name)


async def examples(_: Service, __: Request) -> Response:
    """List films to try."""
    return json_response([{"name": each.name, "told": each.told} for each in EXAMPLES.values()])


async def example(_: Service, request: Request) -> Response:
    """Give one of them."""
    name = request.path_params["name"]
    if name not in EXAMPLES:
        raise Refusal(404, "not_found", f"examples are {', '.join(EXAMPLES)}")
    return Response(drawn(name), media_type=EXAMPLES[name].media_type)
