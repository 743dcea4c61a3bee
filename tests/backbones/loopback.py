"""A web server on this host that hands out files, cuts connections and counts requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, how it misbehaves, and what it was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    """As many of the next answers end in the middle of what they promised."""
    knows_ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each."""


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, site)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    wanted = handler.headers.get("Range", "")
    site.requests.append((handler.path, wanted))
    data = site.files.get(handler.path.lstrip("/"))
    if data is None:
        handler.send_error(404)
        return
    start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if site.knows_ranges else 0
    if start and start >= len(data):
        handler.send_error(416)
        return
    body = data[start:]
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if site.cuts:
        site.cuts -= 1
        body = body[: len(body) // 2]
    handler.wfile.write(body)
