"""Around every request: its id, who may ask, headers for browsers, a line of log, a count."""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spark_cxr.serve.gauges import Gauges
from spark_cxr.serve.refusals import Refusal

ID = re.compile(r"[0-9A-Fa-f-]{8,64}")
"""Ids that are taken over from a client: nothing that could be a name."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
)
UNKNOWN = "unknown"
"""Stands in log and metrics for an address that is no route: it may hold anything."""
Say = Callable[[str], None]
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guard:
    """Stands before the application."""

    app: ASGIApp
    gauges: Gauges
    token: str
    """Empty: everybody may ask."""
    is_open: Callable[[str], bool]
    """Says of a path whether it is for everybody all the same."""
    say: Say = LOG.info

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers = dict(scope["headers"])
        request_id = _id(headers.get(b"x-request-id", b""))
        scope.setdefault("state", {}).update(id=request_id, started=started)

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _headers(message["headers"], request_id)
            await send(message)

        try:
            refusal = self._refusal(scope["path"], headers)
            if refusal:
                await _answer(answering, refusal, request_id)
            else:
                await self.app(scope, receive, answering)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> Refusal | None:
        if headers.get(b"sec-fetch-site") == b"cross-site" and not self.is_open(path):
            return Refusal(403, "cross_site", "other sites may not ask from a browser", closes=True)
        if not self.token or self.is_open(path):
            return None
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        is_right = hmac.compare_digest(given.strip(), self.token.encode())
        if is_right and scheme.lower() == b"bearer":
            return None
        return Refusal(401, "no_token", "expected Authorization: Bearer TOKEN", closes=True)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        """Log and count by the route: what stands in an address may be anything."""
        route = getattr(scope.get("route"), "path", UNKNOWN)
        self.gauges.answered(route, status, seconds)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "OTHER"
        self.say(f"{now} {status} {method} {route} {1000 * seconds:.1f} ms id={request_id}")


def _id(given: bytes) -> str:
    text = given.decode("latin-1")
    return text if ID.fullmatch(text) else secrets.token_hex(8)


def _headers(given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    headers = list(given)
    named = {name for name, _ in headers}
    rest = [(name, value) for name, value in HEADERS if name not in named]
    return [*headers, *rest, (b"x-request-id", request_id.encode())]


async def _answer(send: Send, refusal: Refusal, request_id: str) -> None:
    told = {"reason": refusal.reason, "detail": refusal.detail, "request_id": request_id}
    body = json.dumps(told).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    pairs = [(k.encode(), v.encode()) for k, v in (headers | refusal.headers).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
