"""What `bench` found out: every pass of every contestant, their medians and their ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from spark_cxr.backbones.engines.plan import Used

PRODUCT, ALONE = "product", "engine_alone"


@dataclass(frozen=True)
class Pass:
    """What one contestant did in one round, in images a second."""

    rate: float
    limit: float | None = None
    """What decode and engine alone would reach, both in turn on every core."""


@dataclass(frozen=True)
class Benched:
    """Every counted pass of every contestant."""

    images: int
    slots: int
    passes: Mapping[str, tuple[Pass, ...]]
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
            }
            for name in passes
        },
        "ratios": {n: round(mine / benched.median(n), 3) for n in passes if n != PRODUCT},
        "limit": round(limit, 2) if limit else None,
        "share_of_limit": round(mine / limit, 3) if limit else None,
        "caveat": benched.caveat,
    }


def table(benched: Benched) -> str:
    """Draw the figures as a small table for people."""
    lines = [f"{'images/s':<16}{'median':>9}{'product is':>13}   rounds"]
    mine = benched.median(PRODUCT)
    for name, passes in benched.passes.items():
        rounds = " ".join(f"{each.rate:.1f}" for each in passes)
        rate = benched.median(name)
        lines.append(f"{name:<16}{rate:>9.1f}{f'{mine / rate:.2f} x':>13}   {rounds}")
    if limit := benched.limit:
        lines.append(f"{'limit':<16}{limit:>9.1f}{f'{mine / limit:.2f} x':>13}   decode + engine")
    lines.append(f"{benched.images:,} images, {benched.used.engine} in {benched.used.precision}")
    return "\n".join([*lines, *filter(None, [benched.caveat])])
