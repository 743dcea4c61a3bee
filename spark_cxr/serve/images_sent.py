"""What a client sent to /predict → the images in it: a raw body, multipart, or base64 in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spark_cxr.errors import BadImage
from spark_cxr.model.encoding import from_text
from spark_cxr.serve.bodies import json_of
from spark_cxr.serve.multipart import split
from spark_cxr.serve.refusals import Refusal

Sent = bytes | BadImage
JSON_FORM = '{"image": "BASE64"} or {"images": ["BASE64", …]}'


def images_sent(body: bytes, content_type: str, most: int) -> list[Sent]:
    """Find the images of a body, by its Content-Type; what is neither form nor JSON is an image.

    Raises:
        Refusal: It is not what its Content-Type says, has no image, or too many.
    """
    kind = media_type(content_type)
    if kind == "multipart/form-data":
        found: list[Sent] = [*split(body, content_type, most)]
    elif kind == "application/json":
        found = of_json(json_of(body), most)
    else:
        found = [body]
    return checked(found, most)


def media_type(content_type: str) -> str:
    """Take a Content-Type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def checked(found: Sequence[Sent], most: int) -> list[Sent]:
    """Refuse no image and too many.

    Raises:
        Refusal: 400 or 413.
    """
    if not found or found == [b""]:
        raise Refusal(400, "empty", "there is no image in the request")
    if len(found) > most:
        raise Refusal(413, "too_many_images", f"{len(found)} images, at most {most} at once")
    return list(found)


def of_json(told: Any, most: int) -> list[Sent]:
    """Find the images of `JSON_FORM`.

    Raises:
        Refusal: 400, it has another form, or 413, too many images.
    """
    images = None
    if isinstance(told, dict):
        images = told.get("images", [told["image"]] if "image" in told else None)
    if not isinstance(images, list) or not all(isinstance(each, str) for each in images):
        raise Refusal(400, "bad_json", f"expected {JSON_FORM}")
    if len(images) > most:
        raise Refusal(413, "too_many_images", f"{len(images)} images, at most {most} at once")
    return checked([from_text(each) for each in images], most)
