"""Which files are new: the folders as they were listed, less what the table knows.

Spark's file stream is made for arriving files, but it remembers paths alone: a file that changes in
place is not read again, and one that was caught half copied stays bad for ever. It also forgets
what is older than `maxFileAge` before the newest file, and its checkpoint is a second truth beside
the table: when that is corrupt nothing goes on, when it is deleted everything is scored twice. Here
a file is known by path, time and size, and the table itself says so.

The folders are listed once, and that listing is all that a pass believes: a query that lists them
again sees other times where somebody touches files meanwhile, and takes one file for two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spark_cxr.pipeline.folders import FoundFile
from spark_cxr.verbs.score.table import QUARANTINED, SAME, SCORED, WAITING, Table

FINAL = (SCORED, QUARANTINED, SAME)
"""Tables of files that need no second look."""


@dataclass(frozen=True)
class Arrival:
    """A file to score."""

    path: str
    modified: int | None
    """Microseconds since 1970; None for a file without bytes."""
    bytes: int
    obstacle: str = ""
    """Why nobody can open it."""
    models: Mapping[str, str] = field(default_factory=dict)
    """The digests of contents with which it was scored before, and by which model."""
    has_waited: bool = False
    """It was as it is now when an earlier run found it bad."""
    waited_as: frozenset[str] = frozenset()
    """The digests of contents that an earlier run found bad, at whatever time."""


def arrivals(
    files: Sequence[FoundFile], table: Table, model: str, rescore: bool = False
) -> list[Arrival]:
    """Find the listed files that are not known, the oldest first.

    The table may have far more rows than there are files: it goes by in batches, and only what
    concerns these files is kept.

    Args:
        files: One listing, each path once.
        table: What was scored, and what waits.
        model: That is to score.
        rescore: Only what this model has scored is known.
    """
    known = _known(files, table, model if rescore else "")
    new = [file for file in files if file.path not in known]
    if not new:
        return []
    paths = pa.array([file.path for file in new])
    models, versions = _scored(table, paths, model, rescore), set[Any]()
    waited: dict[str, set[str]] = {}
    for row in _rows_about(table, WAITING, paths):
        versions.add((row["path"], row["modified"], row["bytes"]))
        if row["sha256"]:
            waited.setdefault(row["path"], set()).add(row["sha256"])
    found = (
        Arrival(
            path=file.path,
            modified=file.modified,
            bytes=file.bytes,
            obstacle=file.obstacle,
            models=models.get(file.path, {}),
            has_waited=(file.path, file.modified, file.bytes) in versions,
            waited_as=frozenset(waited.get(file.path, ())),
        )
        for file in new
    )
    return sorted(found, key=lambda f: (f.modified is not None, f.modified or 0, f.path))


def batches(files: Iterable[Arrival], most_files: int, most_bytes: int) -> Iterator[list[Arrival]]:
    """Divide files into batches; a file that is too large for any is one by itself."""
    batch, held = list[Arrival](), 0
    for file in files:
        if batch and (len(batch) == most_files or held + file.bytes > most_bytes):
            yield batch
            batch, held = [], 0
        batch.append(file)
        held += file.bytes
    if batch:
        yield batch


def _known(files: Sequence[FoundFile], table: Table, only: str) -> set[str]:
    """Find the paths of which the table has a row with the same time and size."""
    listed = {file.path: file for file in files}
    paths, known = pa.array(listed, pa.string()), set[str]()
    names = ("path", "modified", "bytes", "model")
    for kind in FINAL:
        for batch in _batches_about(table, kind, paths):
            rows = zip(*(batch[name].to_pylist() for name in names), strict=True)
            for path, modified, size, model in rows:
                is_same = (listed[path].modified, listed[path].bytes) == (modified, size)
                if is_same and (not only or model == only):
                    known.add(path)
    return known


def _scored(table: Table, paths: pa.Array, model: str, rescore: bool) -> dict[str, dict[str, str]]:
    """Find the contents with which files were scored, and by which model: rather this one."""
    found: dict[str, dict[str, str]] = {}
    for kind in FINAL:
        for row in _rows_about(table, kind, paths):
            is_ours = row["model"] == model
            if row["sha256"] is None or (rescore and not is_ours):
                continue
            digests = found.setdefault(row["path"], {})
            if is_ours or row["sha256"] not in digests:
                digests[row["sha256"]] = row["model"]
    return found


def _rows_about(table: Table, kind: str, paths: pa.Array) -> Iterator[dict[str, Any]]:
    for batch in _batches_about(table, kind, paths):
        yield from batch.to_pylist()


def _batches_about(table: Table, kind: str, paths: pa.Array) -> Iterator[pa.RecordBatch]:
    for batch in table.keys(kind):
        yield batch.filter(pc.is_in(batch["path"], value_set=paths))
