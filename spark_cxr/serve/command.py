"""`spark-cxr serve`: settings → model → a server that answers until it is stopped."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import threading
import time
import webbrowser
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from spark_cxr.console import Verb, say
from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.settings import Config, Serve

TOKEN = "SPARK_CXR_TOKEN"
SHORTEST_TOKEN = 16


def read_token(path: str) -> str:
    """Read the token from its file, or from the environment.

    Raises:
        ConfigError: The file cannot be read, or the token is too short to be one.
    """
    text = os.environ.get(TOKEN, "")
    if path:
        try:
            text = (Path(path).read_text(encoding="ascii").splitlines() or [""])[0]
        except (OSError, ValueError) as error:
            raise ConfigError("a file with a token", f"{path} ({error})", "See --help") from None
    token, is_meant = text.strip(), bool(path or text)
    if is_meant and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        expected = f"a token of at least {SHORTEST_TOKEN} signs in --token-file or {TOKEN}"
        raise ConfigError(expected, f"one of {len(token)}", "Make one: openssl rand -hex 32")
    return token


def serve(cfg: Config) -> dict[str, Any]:
    """Claim the port, load the model, answer until SIGTERM or Ctrl-C; say what was done."""
    settings, started = cfg.serve, time.monotonic()
    token = read_token(settings.token_file)
    if not settings.model:
        raise ConfigError("--model, the model/ of a training", "none", "Say --model R/model")
    listener = claim(settings.host, settings.port)
    try:
        return _answer(settings, token, listener, started)
    finally:
        listener.close()


def _answer(settings: Serve, token: str, listener: socket.socket, started: float) -> dict[str, Any]:
    try:
        for name in ("fastapi", "httptools", "prometheus_client", "uvicorn"):
            import_module(name)
        from spark_cxr.serve.app import make_app
        from spark_cxr.serve.connection import make_server
        from spark_cxr.serve.hosts import Hosts
        from spark_cxr.serve.service import open_service
    except ImportError as error:
        way_out = "pip install 'spark-cxr[serve]'"
        raise SetupError("the packages of the server", str(error), way_out) from None
    service = open_service(settings)
    port = listener.getsockname()[1]

    def ready() -> None:
        _say_where(settings, port, token, time.monotonic() - started)

    hosts = Hosts.of(settings.host, settings.allow_host, settings.allow_origin)
    server = make_server(
        make_app(service, token, hosts=hosts),
        settings.seconds,
        ready,
        most=settings.max_connections,
        most_of_address=settings.max_client_connections,
    )

    def end(*_: Any) -> None:
        server.should_exit = True

    # uvicorn raises the signal again when all is answered; a drained server has ended well. One
    # that comes before uvicorn listens to signals ends the server as well.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, end)
    try:
        server.run(sockets=[listener])
    except OSError as error:
        raise _taken(settings.host, settings.port, error) from None
    return {"requests": service.gauges.requests, "seconds": round(time.monotonic() - started, 2)}


def claim(host: str, port: int) -> socket.socket:
    """Bind before the model is loaded, and listen only after it.

    Raises:
        ConfigError: The address is not of this machine, or the port is taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Only where the protocol is named does asyncio let small packets go at once (TCP_NODELAY);
        # else each answer on a kept connection waits 40 ms for the client to acknowledge.
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise _taken(host, port, error) from None
    try:
        if _is_answered(family, address):
            raise OSError("somebody answers there")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _taken(host, port, error) from None
    listener.set_inheritable(False)
    return listener


def _is_answered(family: int, address: Any) -> bool:
    """Say whether a server listens there already: bind alone would find out too late."""
    if address[1] == 0:
        return False
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(address) == 0


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    received = f"--host {host} --port {port} ({error.strerror or error})"
    return ConfigError("an address to listen on", received, "Choose another --port or --host")


def _say_where(settings: Serve, port: int, token: str, seconds: float) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}/"
    if not is_loopback(settings.host):
        _warn(url, token)
    say(SERVER.name, f"{url} is ready after {seconds:.1f} s. Ctrl-C ends.")
    if settings.open:
        timer = threading.Timer(0.5, _browse, [url])
        timer.daemon = True
        timer.start()


def _warn(url: str, token: str) -> None:
    """Say what it means that not only this machine can reach the server."""
    carried = "films, answers and the token" if token else "films and answers"
    way_out = "put a proxy with TLS before it, and name it with --allow-host"
    say(SERVER.name, f"{url} is plain http: whoever is on the way reads {carried}; {way_out}")
    if not token:
        say(SERVER.name, f"everybody who reaches {url} may ask: no --token-file, no {TOKEN}")


def _browse(url: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


SERVER = Verb("serve", "Answer requests for one model: page, HTTP, protocols", ("serve",), serve)


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"
