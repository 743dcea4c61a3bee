"""What a table of scores shows of itself: its days, and the films that somebody should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spark_cxr.metrics.course import MeasureCourse


@dataclass(frozen=True)
class ScoredFilm:
    """A film with its answer."""

    path: str
    prediction: str
    confidence: float
    probabilities: Mapping[str, float]
    flags: tuple[str, ...]
    scored_at: str
    image: bytes = b""
    """Small, as JPEG; empty where the file is gone."""


@dataclass(frozen=True)
class ScoredModel:
    """The answers of one model, day by day."""

    model: str
    films: int
    courses: tuple[MeasureCourse, ...]


@dataclass(frozen=True)
class ScoreReport:
    """All of it."""

    table: str
    models: tuple[ScoredModel, ...]
    queue: tuple[ScoredFilm, ...]
    """The films of least certainty, of the model that scored last; the least certain first."""
    is_of_findings: bool = False
    """Whether films of the queue may have several labels."""
