"""Connections that may not dawdle: uvicorn waits for clients for ever, in four places.

For the headers of a request, for a body that nobody reads (of a GET, or sent to no route), for the
end of a body whose answer has gone already, and for a client that does not read its answer.
`timeout_keep_alive` begins with the end of an answer and ends with the first byte after it, and
`limit_concurrency` answers 503 to clients that came in time while it keeps the connections that
are too many. Hence a protocol of our own before uvicorn's, and one table of all connections: it
closes whom it has waited for too long, and where a connection too many comes, the one that it has
waited for longest gives way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from spark_cxr.serve.bodies import LINGER_S

MOST_HEADER_BYTES = 65_536
MOST_CONNECTIONS = 512
"""Half of the files that a process may usually have open."""
BACKLOG = 128
"""Connections that the system keeps until they are taken, and as many are taken at once: with
uvicorn's 2,048 they would use up the files that a process may have open before one is refused."""
DRAIN_S = 20.0
"""How long SIGTERM lets requests finish; Kubernetes ends what is there after 30."""
PLAIN: dict[str, Any] = {
    "port": 0,
    "ws": "none",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
    "backlog": BACKLOG,
}
"""How uvicorn is set, whatever it serves."""

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
else:
    HttpToolsProtocol = object


@dataclass
class ConnectionTable:
    """All connections of a server, how many each address has, and how long each may dawdle."""

    seconds: float
    """For the headers of a request, for its body, and for a client to read its answer."""
    most: int
    most_of_address: int
    _members: set[Punctual] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)

    def enter(self, new: Punctual) -> bool:
        """Let a connection in; False where neither it nor another can give way."""
        full = None
        if self._counts[new.address] >= self.most_of_address:
            full = new.address
        elif len(self._members) >= self.most:
            ((full, _),) = self._counts.most_common(1)
        if full is not None:
            idle = [each for each in self._members if each.address == full and each.is_waited_for]
            if not idle:
                return False
            min(idle, key=lambda each: each.since).drop()
        self._members.add(new)
        self._counts[new.address] += 1
        return True

    def leave(self, gone: Punctual) -> None:
        """Forget a connection, also one that never came in."""
        if gone in self._members:
            self._members.remove(gone)
            self._counts -= Counter([gone.address])  # drops an address that has none left

    async def sweep_on(self) -> None:
        """Sweep for as long as the server runs."""
        while True:
            await asyncio.sleep(min(0.5, self.seconds / 4))
            self.sweep()

    def sweep(self) -> None:
        """Close whom we have waited for too long."""
        now = time.monotonic()
        for each in [each for each in self._members if now > each.deadline]:
            each.drop()


class Punctual(HttpToolsProtocol):
    """What comes before uvicorn's protocol: knows whether it is the client who is waited for."""

    table: ConnectionTable
    address = ""
    since = 0.0
    """When the last thing happened that a client may be waited for after."""
    _header_bytes = 0
    _in_headers = True
    _is_whole = False
    """Whether all of the last request has come."""

    def connection_made(self, transport: Any) -> None:
        """Take a place in the table, or turn away."""
        super().connection_made(transport)
        self.since = time.monotonic()
        self.address = address_of(transport)
        if not self.table.enter(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the table."""
        self.table.leave(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once, whatever is still to be sent."""
        self.table.leave(self)
        self.transport.abort()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_waited_for(self) -> bool:
        """Say whether it is the client who has something to do: send, or read."""
        return not self._is_answering or not self._is_whole or self.flow.write_paused

    @property
    def deadline(self) -> float:
        """Say until when the client may be waited for."""
        seconds = self.table.seconds
        if self._is_answering:
            if self.flow.write_paused:
                return self.since + seconds
            if self._is_whole or self.flow.read_paused:
                return float("inf")
            # Who reads the body answers 408 before, and reads on for a moment after that.
            return self.since + seconds + 2 * LINGER_S
        has_answer = self.cycle is not None and not self._in_headers and not self._is_whole
        return self.since + (min(LINGER_S, seconds) if has_answer else seconds)

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
        """Begin to wait for a further request on this connection, once for each."""
        super().on_message_begin()
        self._in_headers, self._is_whole, self._header_bytes = True, False, 0
        if self.cycle is not None:
            self.since = time.monotonic()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count whole headers; those behind a chunked body come here too."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > 2 * MOST_HEADER_BYTES:
            self.transport.abort()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        self._in_headers, self._header_bytes, self.since = False, 0, time.monotonic()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing any more."""
        self._is_whole, self.since = True, time.monotonic()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the rest of the body, for the answer to be read, for a next request."""
        self.since = time.monotonic()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        self.since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """End it: whoever read this much has until the next pause."""
        self.since = time.monotonic()
        super().resume_writing()


def address_of(transport: Any) -> str:
    """Name a client by its address, and all of a network that one client has as one (IPv6: /64)."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return ""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    if address.version == 6:
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def make_server(
    app: ASGIApp,
    seconds: float,
    ready: Callable[[], None] = lambda: None,
    *,
    most: int = MOST_CONNECTIONS,
    most_of_address: int = MOST_CONNECTIONS,
) -> uvicorn.Server:
    """Make a server that says when it listens, and drains for as long as a request may take."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    connections = ConnectionTable(seconds, most, most_of_address)

    class Connection(Punctual, HttpToolsProtocol):
        """Both."""

        table = connections

    class Server(uvicorn.Server):
        """Says that it is ready when it is, and looks after its connections."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self._sweeping = asyncio.create_task(connections.sweep_on())  # a loop keeps no tasks
            ready()

    grace = round(min(seconds + 1, DRAIN_S))
    return Server(uvicorn.Config(app, http=Connection, timeout_graceful_shutdown=grace, **PLAIN))
