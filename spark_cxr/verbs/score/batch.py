"""One batch: read, score, sort, commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from spark_cxr.output import is_here
from spark_cxr.pipeline.folders import is_unchanged
from spark_cxr.pipeline.scorer import ScoredFile
from spark_cxr.pipeline.sources import is_there
from spark_cxr.schemas import columns
from spark_cxr.settings import Score
from spark_cxr.verbs.score.arrivals import Arrival
from spark_cxr.verbs.score.reading import Look, look_in_halves
from spark_cxr.verbs.score.table import EPOCH, QUARANTINED, SAME, SCORED, TABLES, WAITING, Table

HALF_COPIED = frozenset(
    (
        *("empty", "truncated", "corrupt", "not_an_image", "no_pixel_data"),
        *("unreadable", "out_of_memory"),
    )
)
"""Reasons that may hold today and not tomorrow: a file was caught half copied (its space may be
reserved before its bytes arrive), or a disk or a worker failed."""


@dataclass(frozen=True)
class ScoringRun:
    """All that stays the same from batch to batch."""

    settings: Score
    model: str
    """What stands in the column `model`."""
    table: Table
    name: str
    """Begins the names of the files that this run commits."""
    look: Look
    check: Callable[[], None] = lambda: None
    """Refuses a commit where another run has taken the table over."""


@dataclass
class SortedFiles:
    """The files of a batch by what becomes of them."""

    scored: list[ScoredFile] = field(default_factory=list)
    quarantined: list[ScoredFile] = field(default_factory=list)
    waiting: list[ScoredFile] = field(default_factory=list)
    same: list[ScoredFile] = field(default_factory=list)


def score_batch(run: ScoringRun, batch: Sequence[Arrival], number: int) -> SortedFiles:
    """Score files and commit what came of them, each file in one of the four tables."""
    files = sort_files(_score(run, batch), batch)
    at, name = datetime.now(UTC), f"{run.name}-{number:05d}"
    scored_by = {file.path: file.models for file in batch}
    commits = (
        (SCORED, files.scored),
        (QUARANTINED, files.quarantined),
        (SAME, files.same),
        (WAITING, files.waiting),
    )
    run.check()
    for kind, some in commits:
        if some:
            run.table.append(kind, rows_of(kind, some, run.model, at, scored_by), name, at)
    return files


def sort_files(files: Iterable[ScoredFile], batch: Iterable[Arrival]) -> SortedFiles:
    """Sort files; one that may be half copied waits for a second look before it is set aside.

    One that was gone or growing when it was read is set aside by no number of looks.
    """
    found, arrived = SortedFiles(), {file.path: file for file in batch}
    for file in files:
        before = arrived[file.path]
        is_settled = before.has_waited or file.sha256 in before.waited_as or bool(before.obstacle)
        may_change = file.is_unsettled or (file.reason in HALF_COPIED and not is_settled)
        if file.is_same or file.sha256 in before.models:
            found.same.append(file)
        elif file.reason is None:
            found.scored.append(file)
        else:
            (found.waiting if may_change else found.quarantined).append(file)
    return found


def rows_of(
    kind: str,
    files: Iterable[ScoredFile],
    model: str,
    at: datetime,
    scored_by: Mapping[str, Mapping[str, str]],
) -> list[dict[str, Any]]:
    """Give the rows of a table, in the order of paths: the same batch makes the same file.

    A content that was scored before stands under the model that scored it: `--rescore` with
    another one has to find that it did not.
    """
    names = columns(TABLES[kind])
    rows = []
    for file in sorted(files, key=lambda file: file.path):
        time = file.modified
        modified = None if time is None else EPOCH + timedelta(microseconds=time)
        by = scored_by[file.path].get(file.sha256 or "", model)
        row = {**vars(file), "model": by, "scored_at": at, "modified": modified}
        rows.append({name: row[name] for name in names})
    return rows


def _score(run: ScoringRun, batch: Sequence[Arrival]) -> list[ScoredFile]:
    """Score the files that can be read, and give the reason for the others."""
    most = run.settings.max_bytes
    listed = {file.path: file for file in batch}
    left = [file for file in batch if 0 < file.bytes <= most and not file.obstacle]
    found: dict[str, ScoredFile] = {}
    for _ in range(2):  # a file that was renamed to and fro may be there again
        found |= {file.path: file for file in look_in_halves(run.look, left)}
        left = [file for file in left if file.path not in found and is_there(file.path)]
    scored = [_as_read(file, listed[path]) for path, file in found.items()]
    return scored + [_not_read(file, most) for file in batch if file.path not in found]


def _as_read(file: ScoredFile, listed: Arrival) -> ScoredFile:
    """Let a file wait that grew since it was listed, and unsettle the time of one that changed.

    A row with time and size says that nobody need look at the file again, so both must be those of
    the content that was read. Where the file is another by now, nobody knows; then its time gets a
    microsecond that no listing has, and the next pass looks again.
    """
    if file.bytes != listed.bytes:
        detail = f"{listed.bytes} bytes when it was listed, {file.bytes} when it was read"
        was = (listed.path, listed.bytes, None, listed.modified)
        return ScoredFile(*was, reason="truncated", detail=detail, is_unsettled=True)
    is_changed = is_here(file.path) and not is_unchanged(file.path, file.modified, file.bytes)
    if is_changed and file.modified is not None:
        return replace(file, modified=file.modified + 1)
    return file


def _not_read(file: Arrival, max_bytes: int) -> ScoredFile:
    reason, detail = "unreadable", file.obstacle or "the file system gave an error"
    is_unsettled = False
    if file.bytes == 0 and not file.obstacle:
        reason, detail = "empty", "0 bytes"
    elif file.bytes > max_bytes:
        reason, detail = "too_large", f"{file.bytes} bytes, limit {max_bytes}"
    elif not file.obstacle and not is_there(file.path):
        detail, is_unsettled = "gone when it was to be read", True
    was = (file.path, file.bytes, None, file.modified)
    return ScoredFile(*was, reason=reason, detail=detail, is_unsettled=is_unsettled)
