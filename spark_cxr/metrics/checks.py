"""What an audit found: one record for each check, for audit.json, its page and other reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PASS, WARN, FAIL, NOT_APPLICABLE = "pass", "warn", "fail", "not_applicable"
STATUSES = (FAIL, WARN, PASS, NOT_APPLICABLE)
"""The worst first."""

Number = tuple[str, float | int | None]
"""A name and what it is."""


@dataclass(frozen=True)
class CheckTable:
    """A small table: its caption, headings, and rows of words and numbers."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers_from: int = 1
    """The first column of numbers."""


@dataclass(frozen=True)
class Side:
    """One film of a pair."""

    path: str
    label: str | None
    source: str | None
    image: bytes = b""
    """A small JPEG for the page; not in the JSON."""


@dataclass(frozen=True)
class Pair:
    """Two films that are one."""

    kind: str
    """bytes, pixels, or how the pictures differ; empty where other copies link the two."""
    a: Side
    b: Side

    def to_json(self) -> dict[str, Any]:
        """Give all but the pictures."""
        ends = {"a": self.a, "b": self.b}
        said = {
            name: {"path": s.path, "label": s.label, "source": s.source} for name, s in ends.items()
        }
        return {"kind": self.kind, **said}


@dataclass(frozen=True)
class CheckPart:
    """What a check found of one finding."""

    name: str
    status: str
    """One of `STATUSES`."""
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Check:
    """One check of the data and its result."""

    name: str
    title: str
    status: str
    """One of `STATUSES`."""
    sentence: str
    """What was found, and what follows from it."""
    numbers: tuple[Number, ...] = ()
    grid: CheckTable | None = None
    pairs: tuple[Pair, ...] = ()
    """Examples; the tables beside audit.json have all."""
    brief: str = ""
    """The finding in a few words, for a table of all checks."""
    parts: tuple[CheckPart, ...] = ()
    """What it found of each finding of the films, the worst first."""

    def to_json(self) -> dict[str, Any]:
        """Give the whole check but for pictures."""
        grid = self.grid
        return {
            "name": self.name,
            "title": self.title,
            "status": self.status,
            "sentence": self.sentence,
            "numbers": dict(self.numbers),
            **({"findings": [_part_json(part) for part in self.parts]} if self.parts else {}),
            **({"table": [list(grid.headings), *map(list, grid.rows)]} if grid else {}),
            **({"examples": [pair.to_json() for pair in self.pairs]} if self.pairs else {}),
        }


def _part_json(part: CheckPart) -> dict[str, Any]:
    return {"finding": part.name, "status": part.status, **dict(part.numbers)}


def status_of(value: float, warn: float, fail: float) -> str:
    """Give the status of a check by a number of which less is better."""
    return FAIL if value >= fail else WARN if value >= warn else PASS


def count_statuses(checks: Sequence[Check]) -> dict[str, int]:
    """Count the checks of each status."""
    return {status: sum(check.status == status for check in checks) for status in STATUSES}
