"""What the document at /openapi.json says of bodies and parameters: no code says it."""

from __future__ import annotations

from typing import Any

from spark_cxr.model.rows import IMAGE
from spark_cxr.serve.frames import SHAPES
from spark_cxr.serve.routes import Route

_BINARY = {"type": "string", "format": "binary", "minLength": 1}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_IMAGES = {
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
            "name": "errors",
            "in": "query",
            "description": "inline: 200 with a reason in the place of each image that is no film",
            "schema": {"type": "string", "enum": ["inline"]},
        },
    ]
}

REFUSALS = {
    400: "The request is not what it should be",
    401: "A token is asked for and was not given",
    403: "A browser asks on behalf of another site",
    404: "There is no such thing",
    408: "The request came too slowly",
    413: "Too many bytes, pixels, images or values",
    415: "No image of a kind that is read",
    422: "An image that cannot become a film",
    503: "Busy: come again after Retry-After seconds",
}


def extra(route: Route) -> dict[str, Any]:
    """Describe what a route takes."""
    told: dict[str, Any] = {"parameters": [*_path_parameters(route), *_query(route)]}
    if route.takes:
        told["requestBody"] = {"required": True, "content": BODIES[route.takes]}
    if not route.is_open:
        told["security"] = [{}, {"token": []}]
    return told


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
    return sorted({*body, *named, *closed})
