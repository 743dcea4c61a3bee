"""`spark-cxr load`: how fast a server answers, for as many clients as you name.

The clients are as light as they can be, for they share the cores with a server on this machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from spark_cxr.backbones import engines
from spark_cxr.console import say
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.decode import decode
from spark_cxr.images.prepare import to_network
from spark_cxr.model.model import load_model
from spark_cxr.serve.batches import STEP
from spark_cxr.serve.command import read_token
from spark_cxr.settings import Config, Load

SUFFIXES = {".png", ".jpg", ".jpeg", ".dcm"}
MOST_CLIENTS = 900
"""A process may usually have 1,024 files open."""
MOST_FILMS = 64
"""Different films that are sent in turn."""


@dataclass
class Measured:
    """What the clients of one round saw."""

    clients: int
    statuses: Counter[int] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    """Of the requests that were answered with 200."""
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Give the round for the line of JSON."""
        good = np.array(self.milliseconds or [float("nan")])
        p50, p99 = (round(float(each), 1) for each in np.percentile(good, (50, 99)))
        rate = round(len(self.milliseconds) / self.seconds, 2)
        statuses = {str(status): n for status, n in sorted(self.statuses.items())}
        told = {"clients": self.clients, "per_second": rate, "p50_ms": p50, "p99_ms": p99}
        return {**told, "statuses": statuses}


def measure(cfg: Config) -> dict[str, Any]:
    """Let clients ask for a while, round after round; say what they saw."""
    settings = cfg.load
    films = _films(settings.images)
    target = _Target.of(settings, films)
    rounds = []
    for clients in _counts(settings.clients):
        told = asyncio.run(_round(target, clients, settings.seconds)).summary()
        say("load", ", ".join(f"{name} {value}" for name, value in told.items()))
        rounds.append(told)
    if not settings.model:
        return {"rounds": rounds}
    limit = round(limit_of(settings.model, films), 2)
    say("load", f"decoding, resizing and the network alone: {limit} films/s on these cores")
    best = max(each["per_second"] for each in rounds)
    return {"rounds": rounds, "limit": limit, "share_of_limit": round(best / limit, 3)}


def _counts(words: Sequence[str]) -> list[int]:
    if not words or not all(word.isdecimal() and 0 < int(word) <= MOST_CLIENTS for word in words):
        expected = f"--clients as numbers up to {MOST_CLIENTS} with commas between"
        raise ConfigError(expected, ",".join(words), "Write them like 1,16")
    return [int(word) for word in words]


@dataclass(frozen=True)
class _Target:
    """Where to ask, and what, ready to be written."""

    host: str
    port: int
    requests: Sequence[bytes]

    @classmethod
    def of(cls, settings: Load, films: Sequence[bytes]) -> _Target:
        url = urlsplit(settings.url)
        if url.scheme != "http" or not url.hostname:
            raise ConfigError("--url as http://HOST:PORT", settings.url, "See --help")
        token = read_token(settings.token_file)
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        requests = [
            f"POST /predict HTTP/1.1\r\nHost: {url.netloc}\r\n{bearer}"
            f"Content-Length: {len(film)}\r\n\r\n".encode()
            + film
            for film in films
        ]
        return cls(url.hostname, url.port or 80, requests)


def _films(folders: Sequence[str]) -> list[bytes]:
    paths = sorted(path for folder in folders for path in Path(folder).rglob("*"))
    named = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not named:
        received = f"none in {', '.join(folders) or 'no folder'}"
        raise InputError("films in --images", received, "Draw some: spark-cxr phantoms --out P")
    return [path.read_bytes() for path in named[:MOST_FILMS]]


async def _round(target: _Target, clients: int, seconds: float) -> Measured:
    measured, numbers = Measured(clients), count()
    began = time.perf_counter()
    asked = (_client(target, numbers, began + seconds, measured) for _ in range(clients))
    try:
        await asyncio.gather(*asked)
    except (OSError, asyncio.IncompleteReadError) as error:
        expected = f"a server at {target.host}:{target.port}"
        raise InputError(expected, str(error), "Start one: spark-cxr serve --model M") from None
    measured.seconds = time.perf_counter() - began
    return measured


async def _client(target: _Target, numbers: count[int], ends: float, measured: Measured) -> None:
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        while (began := time.perf_counter()) < ends:
            writer.write(target.requests[next(numbers) % len(target.requests)])
            status = await _answered(reader)
            measured.statuses[status] += 1
            if status == 200:
                measured.milliseconds.append(1000 * (time.perf_counter() - began))
            else:
                await asyncio.sleep(0.1)
    finally:
        writer.close()


async def _answered(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].split(None, 1)[0]
    await reader.readexactly(int(length))
    return int(head.split(None, 2)[1])


def limit_of(model_dir: str, films: Sequence[bytes]) -> float:
    """Measure films a second of nothing but decoding, resizing and the network, on all cores."""
    model, threads = load_model(model_dir, batch_size=STEP), os.cpu_count() or 1
    engine, size_hw = engines.load(model.plan), model.plan.network.size_hw
    limits = model.limits
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        ready = list(pool.map(lambda film: to_network(decode(film, limits).pixels, size_hw), films))
        looking = time.perf_counter() - began
    batch = np.stack(ready)
    engine.features(batch[:STEP])
    began = time.perf_counter()
    engine.features(batch)
    return len(films) / (looking + time.perf_counter() - began)
