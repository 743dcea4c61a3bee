"""Images inside text: base64, plain or as a data: URI."""

from __future__ import annotations

import base64
import binascii

from spark_cxr.errors import BadImage


def from_base64(text: str) -> bytes | None:
    """Decode base64, in one line or several; None where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def from_data_uri(text: str) -> bytes | BadImage | None:
    """Decode a data: URI; None where the text is none."""
    head, comma, rest = text.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        return None
    return from_base64(rest) or BadImage("not_an_image", "a data: URI without good base64")


def from_text(text: object) -> bytes | BadImage:
    """Get the bytes of an image that is written in base64 or as a data: URI, and as nothing else.

    A server must not read what a client names: neither a path nor an address.
    """
    if not isinstance(text, str) or not text.strip():
        return BadImage("empty", "no base64 text")
    found = from_data_uri(text) or from_base64(text)
    return found or BadImage("not_an_image", "no base64")
