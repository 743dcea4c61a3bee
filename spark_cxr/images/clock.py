"""Where the time of a pass over films goes, stage by stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("reading", "decoding", "fingerprints", "resizing", "network", "waiting", "spark")
"""Of a pass. `waiting` is the network's, for films; `spark` is the time in which a task waits for
rows to work on, or for its rows to be taken. Decoding goes on beside the network, so together they
may take longer than the task."""


class Clock:
    """Seconds that went into each stage; threads add to it side by side."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """Add time to a stage."""
        with self._lock:
            self._seconds[name] += seconds

    def take(self) -> list[float]:
        """Give the seconds of each of `STAGES` since the last time."""
        with self._lock:
            seconds, self._seconds = self._seconds, dict.fromkeys(STAGES, 0.0)
        return [seconds[name] for name in STAGES]
