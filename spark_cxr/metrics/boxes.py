"""Heat against radiologists' boxes: hit rate, heat inside and overlap, a finding, with intervals.

What is counted is a finding on a film. Patients are drawn with all their films, and each measure is
a mean over what was drawn; by chance, hit rate and heat inside are the share that boxes cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spark_cxr.metrics.intervals import LEVEL, percentile_interval, share_interval
from spark_cxr.metrics.records import Interval
from spark_cxr.metrics.resample import draws
from spark_cxr.metrics.sample import Floats

RESAMPLES = 1000
_AT_ONCE = 250
POOLED = "All findings"


@dataclass(frozen=True)
class BoxedFinding:
    """A finding on a film that readers boxed, and where the heat lies."""

    finding: str
    group: str
    """The patient, or the film where the patient is not known."""
    boxes: int
    named: bool
    """The model says that the film has it."""
    hit: bool
    inside: float
    area: float
    overlap: float


@dataclass(frozen=True)
class BoxMeasure:
    """A mean, and between what it lies when patients are drawn anew."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class BoxMetrics:
    """One finding, on all films where it was boxed."""

    finding: str
    films: int
    boxes: int
    groups: int
    named: int
    """Films for which the model names the finding."""
    hit_rate: BoxMeasure
    """How often the hottest point lies in a box."""
    hit_rate_named: float | None
    """The same, where the model names the finding."""
    inside: BoxMeasure
    """Share of the heat above 0 that lies in boxes, on average."""
    area: float
    """Share of the film that boxes cover, on average: hit rate and heat inside by chance."""
    concentration: BoxMeasure | None
    """Times as much heat in boxes as by chance."""
    overlap: BoxMeasure
    """Intersection over union of boxes and hot pixels, on average."""


@dataclass(frozen=True)
class BoxReport:
    """Each finding that was boxed, and all of them together."""

    method: str
    overlap_at: float
    """Share of a film's strongest heat from which a pixel is hot."""
    level: float
    resamples: int
    seed: int
    findings: tuple[BoxMetrics, ...]
    pooled: BoxMetrics

    @property
    def rows(self) -> tuple[BoxMetrics, ...]:
        """Give what a table shows; a single finding needs no sum."""
        return (*self.findings, self.pooled) if len(self.findings) > 1 else self.findings

    def to_json(self) -> dict[str, Any]:
        """Give all numbers by name."""
        return asdict(self)


def measure_boxes(
    found: Sequence[BoxedFinding], method: str, overlap_at: float, seed: int
) -> BoxReport:
    """Measure each finding and all together; there is at least one."""
    names = sorted({each.finding for each in found})
    parts = [[each for each in found if each.finding == name] for name in names]
    return BoxReport(
        method=method,
        overlap_at=overlap_at,
        level=LEVEL,
        resamples=RESAMPLES,
        seed=seed,
        findings=tuple(_metrics(n, part, seed) for n, part in zip(names, parts, strict=True)),
        pooled=_metrics(POOLED, found, seed),
    )


def _metrics(finding: str, found: Sequence[BoxedFinding], seed: int) -> BoxMetrics:
    columns = np.array([(each.hit, each.inside, each.area, each.overlap) for each in found], float)
    hits, inside, area, overlap = columns.mean(axis=0).tolist()
    drawn, groups = _resampled(found, columns, seed)
    named = [each.hit for each in found if each.named]
    return BoxMetrics(
        finding=finding,
        films=len(found),
        boxes=sum(each.boxes for each in found),
        groups=groups,
        named=len(named),
        hit_rate=BoxMeasure(hits, share_interval(drawn[:, 0], groups)),
        hit_rate_named=sum(named) / len(named) if named else None,
        inside=BoxMeasure(inside, percentile_interval(drawn[:, 1])),
        area=area,
        concentration=_concentration(inside, area, drawn),
        overlap=BoxMeasure(overlap, percentile_interval(drawn[:, 3])),
    )


def _concentration(inside: float, area: float, drawn: Floats) -> BoxMeasure | None:
    if area <= 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        times = drawn[:, 1] / drawn[:, 2]
    return BoxMeasure(inside / area, percentile_interval(times[np.isfinite(times)]))


def _resampled(found: Sequence[BoxedFinding], columns: Floats, seed: int) -> tuple[Floats, int]:
    """Give the means of the columns under each draw of the groups, and count the groups."""
    names, places = np.unique([each.group for each in found], return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1] + 1))
    np.add.at(sums, places, np.column_stack([columns, np.ones(len(columns))]))
    totals = np.concatenate(
        [each.T @ sums for each in draws(len(names), RESAMPLES, _AT_ONCE, seed)]
    )
    return totals[:, :-1] / totals[:, -1:], len(names)
