"""Only one run writes into a table: the others wait, or stop with its name.

On a file system of this machine, NFS included, the kernel holds a lock on `_writer.lock` and
releases it with the process, however that ends; `_writer.holder` names that process. Stores have no
locks: there a lease lies beside the table, renewed while its holder lives, and one that was not
renewed for two minutes is taken over. Clocks may be wrong, or be set back: a lease that looks old,
or comes from the future, is watched first, and one that is renewed meanwhile is left alone. A
holder that was cut off from the store, and finds the lease in other hands, commits nothing more.
Two runs that start within the same second could both think
that they hold a lease, so a run reads it again after a pause, and the last to have written it goes
on.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pyarrow import fs

from spark_cxr.errors import OutputError
from spark_cxr.output import Output, is_here, locate
from spark_cxr.pipeline.progress import ticking

LOG = logging.getLogger(__name__)

LOCK = "_writer.lock"
HOLDER = "_writer.holder"
"""Not in the lock's own file: filelock may empty that one, and Windows lets nobody read it."""
LEASE = "_writer.lease"
RENEWED_EVERY = 20.0
EXPIRES_AFTER = 120.0
WATCHED_FOR = 2.5 * RENEWED_EVERY
SETTLES_AFTER = 2.0
LOOKS_EVERY = 1.0


@contextmanager
def only_writer(output: Output, wait: bool, name: str = "") -> Iterator[None]:
    """Hold the table until the block ends; with `wait` first wait for whoever does.

    `name` is the run's own: by it `check_writer` knows the lease.
    """
    store, root = locate(output.address)
    is_local = isinstance(store, fs.LocalFileSystem)
    with _locked(Path(root, LOCK), wait) if is_local else _leased(output, wait, name):
        yield


def check_writer(output: Output, name: str) -> None:
    """Refuse to write where another run has taken the lease over; a kernel's lock holds anyway."""
    found = None if is_here(output.address) else _read(output)
    if found and found["id"] != name:
        received = f"--table={output.address}, taken over by {found['who']}"
        raise OutputError("a --table that no other run writes", received, "Run again later")


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, holder, has_waited = FileLock(path), path.with_name(HOLDER), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = holder.read_text("utf-8") if holder.is_file() else "another run"
            has_waited = _wait(path.parent, who, wait, has_waited)
    try:
        holder.write_text(_me(), "utf-8")
        yield
    finally:
        lock.release()


@contextmanager
def _leased(output: Output, wait: bool, name: str = "") -> Iterator[None]:
    mine, has_waited = name or secrets.token_hex(8), False
    while (holder := _take(output, mine)) is not None:
        has_waited = _wait(output.address, holder, wait, has_waited)
    try:
        with ticking(lambda: _renew(output, mine), RENEWED_EVERY):
            yield
    finally:
        store, root = locate(output.address)
        with suppress(OSError):
            if (found := _read(output)) and found["id"] == mine:
                store.delete_file(f"{root}/{LEASE}")


def _take(output: Output, mine: str) -> str | None:
    """Take the lease, or name the run that holds it."""
    found = _read(output)
    if found and found["id"] != mine:
        age = time.time() - found["renewed"]
        if 0 <= age < EXPIRES_AFTER or _is_renewed(output, found):
            return str(found["who"])
        LOG.warning(f"score: the lease of {found['who']} is {age:,.0f} s old and is taken over")
    _write(output, mine)
    time.sleep(SETTLES_AFTER)
    settled = _read(output)
    return None if settled and settled["id"] == mine else "another run"


def _is_renewed(output: Output, found: dict[str, Any]) -> bool:
    """Watch a lease for longer than its holder would leave it alone: only its change counts."""
    time.sleep(WATCHED_FOR)
    return _read(output) not in (found, None)


def _renew(output: Output, mine: str) -> None:
    with suppress(OSError):  # the store may come back before the lease has run out
        found = _read(output)
        if found is None or found["id"] == mine:
            _write(output, mine)


def _write(output: Output, mine: str) -> None:
    output.write_json(LEASE, {"id": mine, "who": _me(), "renewed": time.time()})


def _read(output: Output) -> dict[str, Any] | None:
    try:
        found = json.loads(output.read_bytes(LEASE) or b"null")
        return found if found and {"id", "who", "renewed"} <= found.keys() else None
    except ValueError:
        return None


def _wait(where: Path | str, holder: str, wait: bool, has_waited: bool) -> bool:
    if not wait:
        received, way_out = f"--table={where}, held by {holder}", "Add --wait, or run again later"
        raise OutputError("a --table that no other run writes", received, way_out)
    if not has_waited:
        LOG.info(f"score: waiting for {holder}")
    time.sleep(LOOKS_EVERY)
    return True


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
