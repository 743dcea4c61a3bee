"""The page, what it is made of, and drawn films to try it with: nobody's X-ray."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from spark_cxr.phantoms import CLASSES, phantoms
from spark_cxr.report.style import CSS
from spark_cxr.serve.bodies import Refusal
from spark_cxr.serve.predict import json_response
from spark_cxr.serve.service import Service

SIDE = 512
SEED = 8


@dataclass(frozen=True)
class Example:
    """A file to try."""

    name: str
    title: str
    media_type: str
    draw: Callable[[], bytes]


def _phantom(label: str, kind: str) -> bytes:
    """Draw the first film of a class."""
    drawn = phantoms(len(CLASSES), seed=SEED, size=SIDE, formats=(kind,))
    return next(film.data for film in drawn if film.label == label)


def _photo() -> bytes:
    """Draw a coloured picture: a sunset over water."""
    from PIL import Image

    rows = np.linspace(0, 1, SIDE)[:, None, None] * np.ones((1, SIDE, 1))
    sky, sea = np.array([250, 140, 40]), np.array([20, 60, 150])
    picture = np.where(rows < 0.55, sky * (1 - rows / 2), sea * (1.3 - rows / 2))
    away = np.hypot(*np.meshgrid(np.arange(SIDE) - SIDE / 2, np.arange(SIDE) - SIDE * 0.42))
    picture[away < SIDE / 9] = (255, 230, 120)
    written = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(written, "PNG")
    return written.getvalue()


_KNOWN = (
    *(
        Example(f"{label}.png", f"drawn, {label}", "image/png", partial(_phantom, label, "png"))
        for label in CLASSES
    ),
    Example(
        "drawn.dcm", "drawn, DICOM", "application/dicom", partial(_phantom, CLASSES[0], "dicom")
    ),
    Example("sunset.png", "no X-ray at all", "image/png", _photo),
)
EXAMPLES = {example.name: example for example in _KNOWN}


@cache
def drawn(name: str) -> bytes:
    """Draw an example once; it is the same on every machine."""
    return EXAMPLES[name].draw()


STATIC = {
    "index.html": "text/html; charset=utf-8",
    "docs.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "desk.js": "text/javascript; charset=utf-8",
    **dict.fromkeys(
        (
            *("answer.js", "beside.js", "docs.js", "drop.js", "film.js", "heat.js", "kept.js"),
            *("levels.js", "ruler.js", "server.js", "viewer.js", "zip.js"),
        ),
        "text/javascript; charset=utf-8",
    ),
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
    return json_response([{"name": each.name, "title": each.title} for each in EXAMPLES.values()])


async def example(_: Service, request: Request) -> Response:
    """Give one of them."""
    name = request.path_params["name"]
    if name not in EXAMPLES:
        raise Refusal(404, "not_found", f"examples are {', '.join(EXAMPLES)}")
    return Response(drawn(name), media_type=EXAMPLES[name].media_type)
