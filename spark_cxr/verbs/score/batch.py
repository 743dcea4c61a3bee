"""One batch: read, score, sort, commit."""

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
"""Reasons that may hold today and not tomorrow: a file was caught half copied (its space may be
reserved before its bytes arrive), or a disk or a worker failed."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ScoringRun:
    """All that stays the same from batch to batch."""

    spark: SparkSession
    settings: Score
    scorer: Model
    table: Table
    name: str
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


def score_batch(run: ScoringRun, batch: Sequence[Arrival], number: int) -> SortedFiles:
    """Score files and commit what came of them, each file in one of the four tables."""
    files = sort_files(_score(run, batch), {file.path for file in batch if file.has_waited})
    at, name = datetime.now(UTC), f"{run.name}-{number:05d}"
    commits = (
        (SCORED, files.scored),
        (QUARANTINED, files.quarantined),
        (SAME, files.same),
        (WAITING, files.waiting),
    )
    for kind, some in commits:
        if some:
            run.table.append(kind, rows_of(kind, some, run.model, at), name, at)
    return files


def sort_files(files: Iterable[ScoredFile], waited: set[str]) -> SortedFiles:
    """Sort files; one that may be half copied waits for a second look before it is set aside."""
    found = SortedFiles()
    for file in files:
        may_change = file.reason in HALF_COPIED and file.path not in waited
        if file.is_same:
            found.same.append(file)
        elif file.reason is None:
            found.scored.append(file)
        else:
            (found.waiting if may_change else found.quarantined).append(file)
    return found


def rows_of(
    kind: str, files: Iterable[ScoredFile], model: str, at: datetime
) -> list[dict[str, Any]]:
    """Give the rows of a table, in the order of paths: the same batch makes the same file."""
    names = columns(TABLES[kind])
    rows = []
    for file in sorted(files, key=lambda file: file.path):
        time = file.modified
        modified = None if time is None else EPOCH + timedelta(microseconds=time)
        row = {**vars(file), "model": model, "scored_at": at, "modified": modified}
        rows.append({name: row[name] for name in names})
    return rows


def _score(run: ScoringRun, batch: Sequence[Arrival]) -> list[ScoredFile]:
    """Score the files that can be read, and give the reason for the others."""
    settings = run.settings
    files = read_batch(run.spark, batch, settings.max_bytes, settings.images)
    known = {file.path: file.digests for file in batch if file.digests}
    found = [] if files is None else look_at(files, run.scorer, known)
    paths = {file.path for file in found}
    others = (file for file in batch if file.path not in paths)
    return found + [_not_read(file, settings.max_bytes) for file in others]


def _not_read(file: Arrival, max_bytes: int) -> ScoredFile:
    reason, detail = "unreadable", "the file system gave an error or no file"
    if file.bytes == 0:
        reason, detail = "empty", "0 bytes"
    elif file.bytes > max_bytes:
        reason, detail = "too_large", f"{file.bytes} bytes, limit {max_bytes}"
    return ScoredFile(file.path, file.bytes, None, file.modified, reason=reason, detail=detail)
