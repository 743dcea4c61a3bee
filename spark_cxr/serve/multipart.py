"""A multipart/form-data body → its files, in memory: frameworks put large parts on the disk."""

from __future__ import annotations

from email.errors import MessageError
from email.message import Message

from spark_cxr.serve.refusals import Refusal

LONGEST_BOUNDARY = 200
"""RFC 2046 allows 70."""
LONGEST_HEADERS = 8192


def boundary_of(content_type: str) -> bytes:
    """Read the boundary from the header Content-Type."""
    message = Message()
    try:
        message["content-type"] = content_type
        boundary = message.get_boundary() or ""
        coded = boundary.encode("ascii")
    except (MessageError, ValueError):
        coded = b""
    if not 0 < len(coded) <= LONGEST_BOUNDARY:
        raise Refusal(400, "bad_multipart", "the Content-Type has no good boundary")
    return coded


def split(body: bytes, content_type: str, most: int) -> list[bytes]:
    """Give the content of each part, whatever its name is: each is one image.

    Raises:
        Refusal: 400, the body is not what its Content-Type says, or 413, more than `most` parts.
    """
    line = b"--" + boundary_of(content_type)
    pieces = (b"\r\n" + body).split(b"\r\n" + line, most + 2)
    if len(pieces) > most + 2:
        raise Refusal(413, "too_many_images", f"more than {most} parts")
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise Refusal(400, "bad_multipart", "the body does not end with its boundary")
    return [_content(piece) for piece in pieces[1:-1]]


def _content(piece: bytes) -> bytes:
    """Take off the headers of a part."""
    end = piece.find(b"\r\n\r\n", 0, LONGEST_HEADERS)
    if end < 0 or not piece.startswith(b"\r\n"):
        raise Refusal(400, "bad_multipart", "a part without an end of its headers")
    return piece[end + 4 :]
