"""What is counted while the server runs, in the text that Prometheus reads."""

from __future__ import annotations

import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FILMS = (1, 2, 4, 8, 16, 32)
PREFIX = "spark_cxr"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]


@dataclass
class Histogram:
    """Counts of values by upper bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        """Write it as buckets that each hold all lower ones."""
        reached = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            reached += count
            yield f"{name}_bucket{_braced((*labels, ('le', str(bound))))} {reached}"
        yield f"{name}_sum{_braced(labels)} {self.total:.6f}"
        yield f"{name}_count{_braced(labels)} {reached}"


@dataclass
class Gauges:
    """All that is counted; its threads and connections share it."""

    model: Labels
    started: float = field(default_factory=time.time)
    requests: Counter[Labels] = field(default_factory=Counter)
    films: Counter[Labels] = field(default_factory=Counter)
    seconds: dict[str, Histogram] = field(default_factory=dict)
    steps: Histogram = field(default_factory=lambda: Histogram(FILMS))
    lock: Lock = field(default_factory=Lock)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self.lock:
            self.requests[("route", route), ("status", str(status))] += 1
            self.seconds.setdefault(route, Histogram(SECONDS)).add(seconds)

    def said(self, result: str, count: int = 1) -> None:
        """Count films by the class they got, or by why they got none."""
        with self.lock:
            self.films[(("result", result),)] += count

    def ran(self, films: int) -> None:
        """Count a run of the network."""
        with self.lock:
            self.steps.add(films)

    def text(self, now: Mapping[str, float]) -> str:
        """Write everything, with what is so at this moment."""
        with self.lock:
            return "\n".join([*self._lines(now), ""])

    def _lines(self, now: Mapping[str, float]) -> Iterator[str]:
        yield from _counter("requests_total", "Requests by route and status.", self.requests)
        yield from _counter("films_total", "Films by the answer that they got.", self.films)
        yield from _head("request_seconds", "histogram", "Seconds from headers to answer.")
        for route, histogram in sorted(self.seconds.items()):
            yield from histogram.lines(f"{PREFIX}_request_seconds", (("route", route),))
        yield from _head("step_films", "histogram", "Films that went through the network at once.")
        yield from self.steps.lines(f"{PREFIX}_step_films", ())
        yield from _head("model_info", "gauge", "The model that answers.")
        yield f"{PREFIX}_model_info{_braced(self.model)} 1"
        for name, value in {**now, **_process(self.started)}.items():
            yield from _head(name, "gauge", name.replace("_", " ").capitalize() + ".")
            yield f"{PREFIX}_{name} {value}"


def _process(started: float) -> dict[str, float]:
    return {"uptime_seconds": round(time.time() - started, 3), "memory_bytes": memory_bytes()}


def memory_bytes() -> int:
    """Measure the memory of this process: as it is on Linux, elsewhere the most it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _counter(name: str, told: str, counts: Counter[Labels]) -> Iterator[str]:
    yield from _head(name, "counter", told)
    for labels, count in sorted(counts.items()):
        yield f"{PREFIX}_{name}{_braced(labels)} {count}"


def _head(name: str, kind: str, told: str) -> Iterator[str]:
    yield f"# HELP {PREFIX}_{name} {told}"
    yield f"# TYPE {PREFIX}_{name} {kind}"


def _braced(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
