"""What is counted while the server runs, as Prometheus reads it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

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
            f"{PREFIX}_films", "Films by the answer that they got.", ("result",), registry=kept
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
        told = f"{name.replace('_', ' ').capitalize()}."
        Gauge(f"{PREFIX}_{name}", told, registry=self.registry).set_function(measure)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def said(self, result: str) -> None:
        """Count a film by the class it got, or by why it got none."""
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
