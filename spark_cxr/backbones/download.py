"""One file over HTTP: going on where it was cut, saying how far it is, with the stdlib only.

Neither `keras.utils.get_file` nor pooch is used: both begin a file that was cut off from its first
byte again, and the former imports a framework on hosts that only run OpenVINO. A line each tenth
of the way is what a log of a job can hold; both draw bars for a terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

Say = Callable[[str], None]
"""Receives a line of progress."""
to_log: Say = logging.getLogger(__name__).info

TRIES = 4
TIMEOUT_SECONDS = 30
_CHUNK = 1 << 18
_RANGE_NOT_SATISFIABLE = 416


def download(url: str, part: Path, say: Say = to_log) -> None:
    """Fetch `url` into `part`, which may hold its beginning from an earlier try.

    Raises:
        OSError: after several tries; what came stays in `part` for the next attempt.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            _fetch(url, part, say)
            return
        except HTTPError as error:
            if (error.code != _RANGE_NOT_SATISFIABLE and error.code < 500) or not tries_left:
                raise
            if error.code == _RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
        except (OSError, HTTPException) as error:
            if not tries_left:
                raise OSError(str(error)) from None
            say(f"weights: {part.stem}: {error}; trying again")


def _fetch(url: str, part: Path, say: Say) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "spark_cxr", **({"Range": f"bytes={have}-"} if have else {})}
    # Only http and https come here; a file is read where it lies.
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT_SECONDS) as response:
        resumed = response.status == 206
        done = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else 0
        if resumed:
            say(f"weights: {part.stem}: going on after {have / 1e6:,.1f} MB")
        with part.open("ab" if resumed else "wb") as out:
            done = _copy(response, out, done, total, _Ticker(part.stem, total, say))
    if done < total:
        raise ConnectionError(f"cut off after {done:,} of {total:,} bytes")


def _copy(source: BinaryIO, out: BinaryIO, done: int, total: int, ticker: _Ticker) -> int:
    while chunk := source.read(_CHUNK):
        out.write(chunk)
        done += len(chunk)
        ticker.tell(done)
    return done


class _Ticker:
    """Says each tenth of the way once."""

    def __init__(self, name: str, total: int, say: Say) -> None:
        self.name, self.total, self.say, self.told = name, total, say, -1

    def tell(self, done: int) -> None:
        """Say how far it is if there is news."""
        tenth = done * 10 // self.total if self.total else done // 10_000_000
        if tenth > self.told:
            self.told = tenth
            of = f" of {self.total / 1e6:,.1f}" if self.total else ""
            self.say(f"weights: {self.name}: {done / 1e6:,.1f}{of} MB")
