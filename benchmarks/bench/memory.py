"""How much memory a driver and its Python workers take: the peak, read from Linux."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.2
DAEMON = b"pyspark.daemon"


@dataclass
class Peak:
    """The most that was seen, in megabytes."""

    driver: int = 0
    """Spark's JVM, which in local mode is the executor too."""
    worker: int = 0
    """The largest of the Python workers."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Read the size of every process below this one."""
        for pid in _below(os.getpid()):
            size = _megabytes(pid)
            line = _read(pid, "cmdline")
            if b"java" in line.split(b"\0")[0]:
                self.driver = max(self.driver, size)
            elif DAEMON in line:
                self.worker = max(self.worker, size)

    def keep_looking(self) -> None:
        """Look again and again until told to stop."""
        while not self._stop.is_set():
            self.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)


@contextmanager
def watched_memory() -> Iterator[Peak]:
    """Watch the processes below this one, and the one that started it, until the block ends."""
    peak = Peak()
    thread = threading.Thread(target=peak.keep_looking, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        peak._stop.set()
        thread.join()


def _below(top: int) -> list[int]:
    """List the processes below one; under spark-submit the JVM is above its Python driver."""
    parents = {pid: _parent(pid) for pid in _pids()}
    above = parents.get(top, 0)
    roots = {top, above} if b"java" in _read(above, "cmdline").split(b"\0")[0] else {top}
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b") ")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _megabytes(pid: int) -> int:
    """Give the resident memory, without the pages of the mapped network that all workers share."""
    for line in _read(pid, "status").splitlines():
        if line.startswith(b"VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended meanwhile
        return b""
