"""The body of a request → bytes, within limits of size, time and of what all hold together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from spark_cxr.serve.refusals import Refusal, busy

MOST_VALUES = 50_000
"""Values of a JSON body: text of 64 MB that is all commas would be gigabytes of objects."""
LINGER_S = 2.0
"""How long the rest of a refused body is read, so that the client comes to read the answer."""
GONE = 499
"""No status of HTTP: what logs call a client that went before its answer."""


@dataclass
class Room:
    """The bytes of bodies that may be held at once."""

    most: int
    held: int = field(default=0)

    def take(self, count: int) -> None:
        """Claim room.

        Raises:
            Refusal: 503, there is none.
        """
        if self.held + count > self.most:
            raise busy(f"{self.held} bytes of requests are held, at most {self.most} may")
        self.held += count

    def leave(self, count: int) -> None:
        """Give it back."""
        self.held -= count


@asynccontextmanager
async def body_of(request: Request, room: Room, most: int, seconds: float) -> AsyncIterator[bytes]:
    """Read a body and hold its room for as long as the block lasts.

    Raises:
        Refusal: 413 too large, 408 too slow, 503 no room, 400 a length that is no number.
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
        try:
            await asyncio.wait_for(read(), seconds)
        except TimeoutError:
            detail = f"the body did not come within {seconds:g} s"
            raise Refusal(408, "too_slow", detail, closes=True) from None
        except ClientDisconnect:
            raise Refusal(GONE, "gone", "the client went away", closes=True) from None
        yield b"".join(chunks)
    except Refusal as refusal:
        chunks.clear()
        if refusal.status in (413, 503) and refusal.closes:
            await _drain(request)
        raise
    finally:
        room.leave(held)


def _promised(request: Request) -> int:
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit() and len(told) < 16):
        raise Refusal(400, "bad_length", "Content-Length is no number", closes=True)
    return int(told)


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
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "bad_json", "the body is not JSON") from None
