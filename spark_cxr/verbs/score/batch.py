"""One batch: read, look, part, commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.model.model import Model
from spark_cxr.pipeline.scorer import ScoredFile, look_at
from spark_cxr.schemas import columns
from spark_cxr.settings import Score
from spark_cxr.verbs.score.arrivals import Arrival, read_batch
from spark_cxr.verbs.score.table import QUARANTINED, SAME, SCORED, TABLES, WAITING, Table

HALF_COPIED = frozenset(
    (
        *("empty", "truncated", "corrupt", "not_an_image", "no_pixel_data"),
        *("unreadable", "out_of_memory"),
    )
)
"""Reasons that a file may give today and not tomorrow: when it was caught half copied (what is
reserved for a file may be there before its bytes are), or when a disk or a worker had a bad day."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """All that stays the same from batch to batch."""

    spark: SparkSession
    settings: Score
    scorer: Model
    table: Table
    run: str
    """Begins the names of the files that this run commits."""

    @property
    def model(self) -> str:
        """Give what stands in the column `model`."""
        return self.scorer.manifest.identity


@dataclass
class SortedFiles:
    """The files of a batch by what becomes of them."""

    scored: list[ScoredFile] = field(default_factory=list)
    quarantined: list[ScoredFile] = field(default_factory=list)
    waiting: list[ScoredFile] = field(default_factory=list)
    same: list[ScoredFile] = field(default_factory=list)


def score_batch(scene: Scene, batch: Sequence[Arrival], number: int) -> SortedFiles:
    """Score files and commit what came of them, each file in one of the four tables."""
    seen = _look(scene, batch)
    parted = part(seen, {file.path for file in batch if file.has_waited})
    at, name = datetime.now(UTC), f"{scene.run}-{number:05d}"
    commits = (
        (SCORED, parted.scored),
        (QUARANTINED, parted.quarantined),
        (SAME, parted.same),
        (WAITING, parted.waiting),
    )
    for kind, files in commits:
        if files:
            scene.table.append(kind, rows_of(kind, files, scene.model, at), name, at)
    return parted


def part(seen: Iterable[ScoredFile], waited: set[str]) -> SortedFiles:
    """Part files; one that may be half copied waits for a second look before it is set aside."""
    parted = SortedFiles()
    for file in seen:
        may_change = file.reason in HALF_COPIED and file.path not in waited
        if file.is_same:
            parted.same.append(file)
        elif file.reason is None:
            parted.scored.append(file)
        else:
            (parted.waiting if may_change else parted.quarantined).append(file)
    return parted


def rows_of(
    kind: str, files: Iterable[ScoredFile], model: str, at: datetime
) -> list[dict[str, Any]]:
    """Give the rows of a table, in the order of paths: the same batch makes the same file."""
    names = columns(TABLES[kind])
    rows = []
    for file in sorted(files, key=lambda file: file.path):
        row = {**vars(file), "model": model, "scored_at": at, "modified": _time(file.modified)}
        rows.append({name: row[name] for name in names})
    return rows


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _look(scene: Scene, batch: Sequence[Arrival]) -> list[ScoredFile]:
    """Look at the files that can be read, and say of the others why not."""
    settings = scene.settings
    files = read_batch(scene.spark, batch, settings.max_bytes, settings.images)
    known = {file.path: file.digests for file in batch if file.digests}
    seen = [] if files is None else look_at(files, scene.scorer, known)
    found = {file.path for file in seen}
    unseen = (file for file in batch if file.path not in found)
    return seen + [_unseen(file, settings.max_bytes) for file in unseen]


def _unseen(file: Arrival, max_bytes: int) -> ScoredFile:
    reason, detail = "unreadable", "the file system gave an error or no file"
    if file.bytes == 0:
        reason, detail = "empty", "0 bytes"
    elif file.bytes > max_bytes:
        reason, detail = "too_large", f"{file.bytes} bytes, limit {max_bytes}"
    return ScoredFile(file.path, file.bytes, None, file.modified, reason=reason, detail=detail)
