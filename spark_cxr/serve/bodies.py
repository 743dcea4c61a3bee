"""The body of a request → the images in it, or the refusal that is its answer.

There are limits of size, of time and of what all requests hold together. A body is raw,
multipart/form-data, or base64 in JSON; multipart is taken apart in memory, because frameworks put
large parts on the disk.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import Message
from typing import Any

from starlette.requests import ClientDisconnect, Request

from spark_cxr.errors import REASONS, BadImage
from spark_cxr.model.exchange import from_text

RETRY_S = 1
"""Seconds after which a client that was turned away should come again."""

STATUS_OF = {
    "empty": 400,
    "not_an_image": 415,
    "unsupported_transfer_syntax": 415,
    "unsupported_photometric": 415,
    "too_large": 413,
    "out_of_memory": 413,
    "unreadable": 503,
}
"""Of the reasons of `errors.REASONS`; the others are files that cannot become a film: 422."""
UNPROCESSABLE = 422


class Refusal(Exception):
    """A request that is answered with a reason and nothing else."""

    def __init__(self, status: int, reason: str, detail: str, *, closes: bool = False) -> None:
        """Keep what the answer says; `closes` where the rest of the body is not read."""
        super().__init__(reason, detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.closes = closes

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers that belong to the status."""
        headers = {"connection": "close"} if self.closes else {}
        if self.status == 503:
            headers["retry-after"] = str(RETRY_S)
        if self.status == 401:
            headers["www-authenticate"] = 'Bearer realm="spark_cxr"'
        return headers


def busy(detail: str) -> Refusal:
    """Ask a client to come again."""
    return Refusal(503, "busy", f"{detail}; come again in {RETRY_S} s")


def refused(bad: BadImage) -> Refusal:
    """Turn an image that cannot become pixels into the answer for whoever sent it alone."""
    status = STATUS_OF.get(bad.reason, UNPROCESSABLE)
    return Refusal(status, bad.reason, f"{REASONS[bad.reason]} ({bad.detail})")


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MOST_VALUES = 50_000
"""Values of a JSON body: text of 64 MB that is all commas would be gigabytes of objects."""
LINGER_S = 2.0
"""How long the rest of a refused body is read, so that the client comes to read the answer."""
UNHURRIED_S = 5.0
"""How long a body may be on its way although others find no room."""
GONE = 499
"""No status of HTTP: what logs call a client that went before its answer."""


@dataclass
class Room:
    """The bytes of bodies that may be held at once."""

    most: int
    held: int = field(default=0)
    coming: dict[asyncio.Future[None], float] = field(default_factory=dict)
    """For each body that is not whole yet, what ends it, and when it began."""

    def take(self, count: int) -> None:
        """Claim room.

        Raises:
            Refusal: 503, there is none; bodies that take their time make some for the next one.
        """
        if self.held + count > self.most:
            for end, began in self.coming.items():
                if time.monotonic() - began > UNHURRIED_S and not end.done():
                    end.set_result(None)
            raise busy(f"{self.held} bytes of requests are held, at most {self.most} may")
        self.held += count

    def leave(self, count: int) -> None:
        """Give it back."""
        self.held -= count


@asynccontextmanager
async def body_of(request: Request, room: Room, most: int, seconds: float) -> AsyncIterator[bytes]:
    """Read a body, hold its room for as long as the block lasts, and end a block that lasts on.

    Raises:
        Refusal: 413 too large, 408 too slow, 503 no room or no answer in time, 400 a length that
            is no number.
    """
    held = 0
    chunks: list[bytes] = []

    async def read() -> None:
        nonlocal held
        async for chunk in request.stream():
            room.take(len(chunk))
            held += len(chunk)
            chunks.append(chunk)
            if held > most:
                raise _too_large(most)

    try:
        if _promised(request) > most:
            raise _too_large(most)
        await _in_time(read(), room, seconds)
        try:
            async with asyncio.timeout(seconds):
                yield b"".join(chunks)
        except TimeoutError:
            raise busy(f"no answer within {seconds:g} s") from None
    except Refusal as refusal:
        chunks.clear()
        room.leave(held)
        held = 0
        if refusal.status in (413, 503) and refusal.closes:
            await _drain(request)
        raise
    finally:
        room.leave(held)


async def _in_time(read: Coroutine[Any, Any, None], room: Room, seconds: float) -> None:
    """Read a body until it is whole, too late, or in the way of others."""
    reading, end = asyncio.ensure_future(read), asyncio.get_running_loop().create_future()
    room.coming[end] = time.monotonic()
    try:
        await asyncio.wait((reading, end), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
            return
    except ClientDisconnect:
        raise Refusal(GONE, "gone", "the client went away", closes=True) from None
    finally:
        reading.cancel()
        del room.coming[end]
    if end.done():
        raise Refusal(503, "busy", "others need the room of this slow body", closes=True)
    raise Refusal(408, "too_slow", f"the body did not come within {seconds:g} s", closes=True)


def _promised(request: Request) -> int:
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Refusal(400, "bad_length", "Content-Length is no number", closes=True)
    return int(length)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "too_large", f"the body has more than {most} bytes", closes=True)


async def _drain(request: Request) -> None:
    """Read on for a while and keep nothing: a client that still sends does not read."""

    async def pour() -> None:
        async for _ in request.stream():
            pass

    if request.headers.get("expect", "").lower() == "100-continue":
        return
    try:
        await asyncio.wait_for(pour(), LINGER_S)
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return


def json_of(body: bytes) -> Any:
    """Read JSON that a request may cost.

    Raises:
        Refusal: 400, it is none; 413, it has too many values.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Refusal(413, "too_many_values", f"more than {MOST_VALUES} values in the JSON")
    try:
        # Strictly: left to itself, `json` lets halves of a pair of surrogates through.
        text = body.decode(json.detect_encoding(body))
        value = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # only pairs have become letters
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_json", "the body is not JSON") from None
    return value


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


def of_json(value: Any, most: int) -> list[Sent]:
    """Find the images of `JSON_FORM`.

    Raises:
        Refusal: 400, it has another form, or 413, too many images.
    """
    images = None
    if isinstance(value, dict):
        images = value.get("images", [value["image"]] if "image" in value else None)
    if not isinstance(images, list) or not all(isinstance(each, str) for each in images):
        raise Refusal(400, "bad_json", f"expected {JSON_FORM}")
    if len(images) > most:
        raise Refusal(413, "too_many_images", f"{len(images)} images, at most {most} at once")
    return checked([from_text(each) for each in images], most)


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
