"""Around every request: its id, who may ask, headers for browsers, a line of log, a count.

What is counted is Prometheus' to read.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import math
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spark_cxr.serve.bodies import Refusal, busy
from spark_cxr.serve.hosts import LOCAL, Hosts

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FILMS = (1, 2, 4, 8, 16, 32)
PREFIX = "spark_cxr"


class Gauges:
    """All that one server counts; threads and connections share it.

    The registry is its own: nothing of another server in this process, or of whatever else uses
    prometheus_client there, is counted among it.
    """

    def __init__(self, model: Mapping[str, str]) -> None:
        """Start at zero, with the labels of the model that answers."""
        self.registry = kept = CollectorRegistry()
        self._requests = Counter(
            f"{PREFIX}_requests",
            "Requests by route and status.",
            ("route", "status"),
            registry=kept,
        )
        self._films = Counter(
            f"{PREFIX}_films",
            "Films by the answer that they got; one with several findings counts for each.",
            ("result",),
            registry=kept,
        )
        self._seconds = Histogram(
            f"{PREFIX}_request_seconds",
            "Seconds from headers to answer.",
            ("route",),
            registry=kept,
            buckets=SECONDS,
        )
        self._steps = Histogram(
            f"{PREFIX}_step_films",
            "Films that went through the network at once.",
            registry=kept,
            buckets=FILMS,
        )
        Info(f"{PREFIX}_model", "The model that answers.", registry=kept).info(dict(model))
        started = time.time()
        self.watch("uptime_seconds", lambda: time.time() - started)
        self.watch("memory_bytes", memory_bytes)

    def watch(self, name: str, measure: Callable[[], float]) -> None:
        """Measure something each time that the counters are read."""
        text = f"{name.replace('_', ' ').capitalize()}."
        Gauge(f"{PREFIX}_{name}", text, registry=self.registry).set_function(measure)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def said(self, result: str) -> None:
        """Count a film by the class or a finding that it got, or by why it got none."""
        self._films.labels(result).inc()

    def ran(self, films: int) -> None:
        """Count a run of the network."""
        self._steps.observe(films)

    @property
    def requests(self) -> int:
        """Add up the requests of all routes."""
        samples = (sample for metric in self._requests.collect() for sample in metric.samples)
        return int(sum(each.value for each in samples if each.name.endswith("_total")))

    def text(self) -> bytes:
        """Write everything, with what is so at this moment."""
        return generate_latest(self.registry)


def memory_bytes() -> float:
    """Measure the memory of this process: as it is on Linux, elsewhere the most it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:  # Windows has neither
        return math.nan
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


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
UNAUTHORISED, ASKS = 401, b"access-control-request-method"
ALLOWED = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
    (b"access-control-max-age", b"600"),
)
"""What pages of other sites may do, where they may ask at all (`Hosts.sites`)."""
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
    hosts: Hosts = LOCAL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers, site = dict(scope["headers"]), self.hosts.site_of(scope["headers"])
        request_id = _id(headers.get(b"x-request-id", b""))
        scope.setdefault("state", {}).update(id=request_id, started=started)

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _headers(message["headers"], request_id, site)
            await send(message)

        try:
            refusal = self._refusal(scope, headers, site)
            may_ask = site and (refusal is None or refusal.status == UNAUTHORISED)
            if may_ask and scope["method"] == "OPTIONS" and ASKS in headers:
                await _allow(answering)  # a browser asks first, and without the token
            elif refusal:
                await _answer(answering, refusal, request_id)
            else:
                await self.app(scope, receive, answering)
        except asyncio.CancelledError:
            # The server ends, and has waited for this request for as long as it may.
            if not status:
                await _answer(answering, busy("the server is stopping"), request_id)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes], site: str) -> Refusal | None:
        path, (address, _) = scope["path"], scope.get("server") or ("", None)
        if b"host" not in headers and scope["http_version"] == "1.1":
            return Refusal(400, "no_host", "HTTP/1.1 asks for the header Host", closes=True)
        refusal = self.hosts.refusal(scope["method"], scope["headers"], address)
        if refusal:
            return refusal
        is_foreign = headers.get(b"sec-fetch-site") == b"cross-site" and not site
        if is_foreign and not self.is_open(path):
            return Refusal(403, "cross_site", "other sites may not ask from a browser", closes=True)
        if not self.token or self.is_open(path):
            return None
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        is_right = hmac.compare_digest(given.strip(), self.token.encode())
        if is_right and scheme.lower() == b"bearer":
            return None
        if given and scheme.lower() == b"bearer":
            return Refusal(UNAUTHORISED, "wrong_token", "not this server's token", closes=True)
        return Refusal(
            UNAUTHORISED, "no_token", "expected Authorization: Bearer TOKEN", closes=True
        )

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


def _headers(
    given: Iterable[tuple[bytes, bytes]], request_id: str, site: str
) -> list[tuple[bytes, bytes]]:
    headers = list(given)
    if site:
        headers += [(b"access-control-allow-origin", site.encode("latin-1")), (b"vary", b"Origin")]
        headers += [(b"cross-origin-resource-policy", b"cross-origin")]
    named = {name for name, _ in headers}
    rest = [(name, value) for name, value in HEADERS if name not in named]
    return [*headers, *rest, (b"x-request-id", request_id.encode())]


async def _allow(send: Send) -> None:
    """Tell a browser that a page of this site may ask, and how."""
    await send({"type": "http.response.start", "status": 204, "headers": list(ALLOWED)})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, refusal: Refusal, request_id: str) -> None:
    fields = {"reason": refusal.reason, "detail": refusal.detail, "request_id": request_id}
    body = json.dumps(fields).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    pairs = [(k.encode(), v.encode()) for k, v in (headers | refusal.headers).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
