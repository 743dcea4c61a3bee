"""By which names the server may be asked for, and from which sites.

A browser that visits somebody else's site can be made to ask this server: by a form or a script
that posts to it, which says its site in the header Origin; or under the name of that site, once the
name leads to this machine (DNS rebinding), which the header Host shows. Programs can write there
what they like; nothing here is against them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from spark_cxr.errors import ConfigError
from spark_cxr.serve.bodies import Refusal

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Hosts:
    """Who the server is."""

    own: frozenset[str] = frozenset(LOOPBACK)
    allowed: tuple[str, ...] = ()
    """Names in lower case; .NAME stands for all names below it as well, and * for any."""
    sites: frozenset[str] = frozenset()
    """Origins of other sites whose pages may ask, exactly as a browser writes them."""

    @classmethod
    def of(cls, host: str, allowed: Iterable[str], sites: Iterable[str] = ()) -> Hosts:
        """Make it of settings: this machine's names, the address to listen on, and more names.

        Raises:
            ConfigError: One of the sites is no origin.
        """
        names = (each.lower().removeprefix("[").removesuffix("]") for each in allowed)
        origins = frozenset(each.lower() for each in sites)
        for origin in sorted(origins):
            if host_of(origin) is None:
                way_out = "Write it like https://demo.example, without a path"
                raise ConfigError("--allow-origin as a scheme and a host", origin, way_out)
        return cls(frozenset((*LOOPBACK, host.lower())), tuple(names), origins)

    def site_of(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Give the other site whose page asks, where it may; empty: none does."""
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        return origins[0] if len(origins) == 1 and origins[0] in self.sites else ""

    def refusal(
        self, method: str, headers: Sequence[tuple[bytes, bytes]], address: str
    ) -> Refusal | None:
        """Refuse a request under another name, or on behalf of another site.

        Args:
            method: Of the request.
            headers: Of the request, as they came.
            address: Of this machine, the one that the connection came to.
        """
        found = [(name, value.decode("latin-1")) for name, value in headers]
        hosts = [value for name, value in found if name == b"host"]
        if not hosts:  # HTTP/1.0, which no browser speaks; `Guard` refuses others
            return None
        name = host_of(f"http://{hosts[0]}")
        if len(hosts) > 1 or not name or not self._is_ours(name[0], address):
            detail = "Host is no name of this server; start it with --allow-host NAME"
            return Refusal(421, "unknown_host", detail, closes=True)
        origins = [value for name, value in found if name == b"origin"]
        is_ours = all(self._is_from(each, hosts[0]) for each in origins)
        if method in SAFE_METHODS or is_ours or self.site_of(headers):
            return None
        return Refusal(403, "cross_site", "other sites may not ask from a browser", closes=True)

    def _is_ours(self, name: str, address: str) -> bool:
        return name in self.own or name == address.removeprefix("::ffff:") or self._is_allowed(name)

    def _is_allowed(self, name: str) -> bool:
        return any(
            each in ("*", name) or (each.startswith(".") and f".{name}".endswith(each))
            for each in self.allowed
        )

    def _is_from(self, origin: str, host: str) -> bool:
        """Say whether a page of this server asks, or one of a site that is allowed to."""
        site = host_of(origin)
        if site is None:  # "null", for example
            return False
        return site == host_of(f"{origin.partition(':')[0]}://{host}") or self._is_allowed(site[0])


LOCAL = Hosts()
"""A server that only its own machine asks."""


def host_of(url: str) -> tuple[str, int] | None:
    """Give the host of a URL and its port; None where there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").removesuffix(".")
    except (ValueError, KeyError):
        return None
    has_more = set("/?#@\\").intersection(url.partition("://")[2])
    return (host, port) if host and not has_more else None
