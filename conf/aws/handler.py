"""A model behind API Gateway: a film in the body of a POST, what the model says as JSON.

For REST APIs (events of version 1.0), HTTP APIs (2.0) and function URLs. The model is loaded once a
container. Research use only: not for diagnosis.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import spark_cxr
from spark_cxr.errors import BadImage
from spark_cxr.model.model import Model
from spark_cxr.model.predictor import Prediction

MODEL = "SPARK_CXR_MODEL"
"""Variable with the model directory in the container."""
NOTICE = "Research use only. Not for diagnosis."
JSON = "application/json"


@cache
def model() -> Model:
    """Load the model; without one the function cannot begin."""
    return spark_cxr.load_model(os.environ.get(MODEL, "/opt/ml/model"))


def handler(event: Mapping[str, Any], _: object = None) -> dict[str, Any]:
    """Answer one event."""
    method = _method(event)
    if method == "GET":
        return _answer(200, {"status": "ok", "model": model().manifest.identity})
    if method != "POST":
        return _answer(405, _fault("not_allowed", f"{method}; GET and POST are"))
    try:
        film = _film(event)
    except (ValueError, binascii.Error) as error:
        return _answer(400, _fault("bad_request", str(error)[:200]))
    (said,) = model().predict([film])
    return _answer(422 if said.bad else 200, _said(said))


def _method(event: Mapping[str, Any]) -> str:
    context = event.get("requestContext") or {}
    return str(event.get("httpMethod") or (context.get("http") or {}).get("method") or "")


def _film(event: Mapping[str, Any]) -> bytes:
    """Take the bytes of a film: the body itself, or base64 under "image" in JSON.

    Raises:
        ValueError: There is none.
    """
    body, headers = event.get("body") or "", event.get("headers") or {}
    kind = next((v for k, v in headers.items() if k.lower() == "content-type"), "") or ""
    data = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    if kind.startswith(JSON):
        found = json.loads(data)
        image = found.get("image") if isinstance(found, dict) else None
        if not isinstance(image, str):
            raise ValueError('expected {"image": BASE64}')
        data = base64.b64decode(image, validate=True)
    elif not event.get("isBase64Encoded"):
        raise ValueError("a film is no text: let API Gateway pass binary media types on")
    if not data:
        raise ValueError("expected a film in the body; received nothing")
    return data


def _said(said: Prediction) -> dict[str, Any]:
    """Give an answer; a picture that is refused has no class."""
    if isinstance(said.bad, BadImage):
        return _fault(said.bad.reason, said.bad.detail)
    named = {
        "label": said.label,
        "confidence": said.confidence,
        "probabilities": dict(said.probabilities),
    }
    return {
        **(named if said.probabilities else {}),
        "flags": list(said.flags),
        "distance": round(said.distance, 4),
        "model": model().manifest.identity,
        "notice": NOTICE,
    }


def _fault(reason: str, detail: str) -> dict[str, Any]:
    return {"reason": reason, "detail": detail, "notice": NOTICE}


def _answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"content-type": JSON, "cache-control": "no-store"}
    return {
        "statusCode": status,
        "headers": headers,
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
