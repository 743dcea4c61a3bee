"""Connections that may not dawdle: uvicorn waits for the headers of a request for ever.

What uvicorn offers is not enough, hence a protocol of our own before its own. `timeout_keep_alive`
begins with the end of an answer and ends with the first byte after it: a client that never sends a
whole request is waited for. `h11_max_incomplete_event_size` is for its slower protocol, h11, alone.
`limit_concurrency` answers 503 to requests of clients that came in time and keeps the connections
that are too many, which take the files that a process may have open.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

MOST_HEADER_BYTES = 65_536
MOST_CONNECTIONS = 1_000
"""Below the 1,024 files that a process may usually have open."""

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
else:
    HttpToolsProtocol = object


class Punctual(HttpToolsProtocol):
    """What comes before uvicorn's protocol: closes what brings no whole headers in time."""

    seconds: float
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True

    def connection_made(self, transport: Any) -> None:
        """Start the clock, or turn away what comes above the limit."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to headers, before a line of them has ended."""
        if self._in_headers:
            self._header_bytes += len(data)
            # What stands behind the end of the headers is body and does not count.
            if self._header_bytes > MOST_HEADER_BYTES and b"\r\n\r\n" not in data:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Start the clock for a further request on this connection."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        if self._deadline is None:
            self._start_clock()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count whole headers; those behind a chunked body come here too, without a clock."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > 2 * MOST_HEADER_BYTES:
            self.transport.abort()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock."""
        self._in_headers, self._header_bytes = False, 0
        self._stop_clock()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def make_server(
    app: ASGIApp, seconds: float, ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """Make a server that says when it listens, and drains for as long as a request may take."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Connection(Punctual, HttpToolsProtocol):
        """Both."""

    class Server(uvicorn.Server):
        """Says that it is ready when it is."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    Connection.seconds = seconds
    config = uvicorn.Config(
        app,
        port=0,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=round(seconds) + 1,
    )
    return Server(config)
