"""What `bench` found out: every pass of every contestant, their medians and their ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

from spark_cxr.backbones.engines.plan import Used

PRODUCT, SPARK, ALONE = "product", "spark_alone", "engine_alone"


@dataclass(frozen=True)
class Spent:
    """Where one process spent its seconds, on films that it had in memory."""

    films: int
    decoding: float
    prints: float
    """Digests and looks: what ingest finds out beside."""
    resizing: float
    engine: float


@dataclass(frozen=True)
class Pass:
    """What one contestant did in one round, in images a second."""

    rate: float
    limit: float | None = None
    """What decode and engine alone would reach, both in turn on every core."""
    spent: tuple[Spent, ...] = ()
    """Of each process, where the steps were timed one by one."""


@dataclass(frozen=True)
class Scale:
    """One run of the product alone."""

    images: int
    slots: int
    rate: float
    driver_megabytes: int
    worker_megabytes: int


@dataclass(frozen=True)
class Benched:
    """Every counted pass of every contestant."""

    images: int
    slots: int
    passes: Mapping[str, tuple[Pass, ...]]
    starts: Mapping[str, float]
    """Seconds of the first few films of all, networks loaded and processes started among them."""
    scales: tuple[Scale, ...]
    network: str
    """The key of its features."""
    caveat: str
    used: Used
    load: float
    """Of the machine before the first pass: what else ran there."""

    def median(self, name: str) -> float:
        """Give the rate of a contestant."""
        return median(each.rate for each in self.passes[name])

    @property
    def limit(self) -> float | None:
        """Give the median limit; None where it was not measured."""
        limits = [each.limit for each in self.passes.get(ALONE, ()) if each.limit]
        return median(limits) if limits else None

    @property
    def profile(self) -> dict[str, float]:
        """Give the core milliseconds of a film in each step.

        `spark` is what it takes alone; `rest` is what is left of all: waiting, and getting in each
        other's way.
        """
        spent = [each for done in self.passes.get(ALONE, ()) for each in done.spent]
        films = sum(each.films for each in spent)
        if not films:
            return {}
        steps = [step.name for step in fields(Spent) if step.name != "films"]
        found = {s: 1000 * sum(getattr(each, s) for each in spent) / films for s in steps}
        if SPARK in self.passes:
            found["spark"] = 1000 * self.slots / self.median(SPARK)
        whole = 1000 * self.slots / self.median(PRODUCT)
        return {**found, "rest": whole - sum(found.values()), "all": whole}


def report(benched: Benched) -> dict[str, Any]:
    """Word the figures for bench.json and for the line at the end."""
    passes = benched.passes
    mine, limit = benched.median(PRODUCT), benched.limit
    return {
        "images": benched.images,
        "slots": benched.slots,
        "network": benched.network,
        "used": asdict(benched.used),
        "load_before": round(benched.load, 2),
        "contestants": {
            name: {
                "images_per_second": [round(each.rate, 2) for each in passes[name]],
                "median": round(benched.median(name), 2),
                "seconds_to_first_films": round(benched.starts[name], 2),
            }
            for name in passes
        },
        "ratios": {n: round(mine / benched.median(n), 3) for n in passes if n != PRODUCT},
        "limit": round(limit, 2) if limit else None,
        "share_of_limit": round(mine / limit, 3) if limit else None,
        "core_milliseconds_of_a_film": {k: round(v, 2) for k, v in benched.profile.items()},
        "scaling": [{**asdict(each), "rate": round(each.rate, 2)} for each in benched.scales],
        "caveat": benched.caveat,
    }


def table(benched: Benched) -> str:
    """Draw the figures as small tables for people."""
    lines = [f"{'images/s':<16}{'median':>9}{'product is':>13}{'first films':>13}   rounds"]
    mine = benched.median(PRODUCT)
    for name, passes in benched.passes.items():
        rounds = " ".join(f"{each.rate:.1f}" for each in passes)
        rate, start = benched.median(name), f"{benched.starts[name]:.1f} s"
        lines.append(f"{name:<16}{rate:>9.1f}{f'{mine / rate:.2f} x':>13}{start:>13}   {rounds}")
    if limit := benched.limit:
        lines.append(f"{'limit':<16}{limit:>9.1f}{f'{mine / limit:.2f} x':>13}   decode + engine")
    lines.append(f"{benched.images:,} images, {benched.used.engine} in {benched.used.precision}")
    return "\n".join([*lines, *_profile(benched), *_scaling(benched), *_caveats(benched)])


def _profile(benched: Benched) -> Iterator[str]:
    if steps := benched.profile:
        shares = ", ".join(f"{name} {value:.2f}" for name, value in steps.items() if name != "all")
        yield f"core milliseconds of a film: {steps['all']:.2f}, of it {shares}"


def _scaling(benched: Benched) -> Iterator[str]:
    if benched.scales:
        yield f"{'product alone':<16}{'slots':>6}{'images/s':>10}{'driver MB':>11}{'worker MB':>11}"
    for each in benched.scales:
        memory = f"{each.driver_megabytes:>11,}{each.worker_megabytes:>11,}"
        yield f"{f'{each.images:,} images':<16}{each.slots:>6}{each.rate:>10.1f}{memory}"


def _caveats(benched: Benched) -> Iterator[str]:
    if benched.caveat:
        yield benched.caveat
