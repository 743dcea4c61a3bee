"""Films as a source of Spark's own: `spark.read.format("films")`, and `readStream` likewise.

Each file is a row, whatever is in it, with the reason where it is no film. Workers open the files,
so the folder must be one that the driver and all of them see. Spark 4 or newer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.datasource import (
    DataSource,
    DataSourceReader,
    DataSourceStreamReader,
    InputPartition,
)

from spark_cxr.archives import catalog as archives
from spark_cxr.errors import BadImage, ConfigError, InputError
from spark_cxr.images.film import DEFAULT_LIMITS
from spark_cxr.output import is_here, locate
from spark_cxr.pipeline.film_pass import arrow_schema, on_batches
from spark_cxr.pipeline.folders import FoundFile, Walk
from spark_cxr.pipeline.globs import expanded
from spark_cxr.pipeline.progress import SPENT
from spark_cxr.pipeline.readers import FILES_A_TASK
from spark_cxr.pipeline.reading import Reading, reading_pass
from spark_cxr.pipeline.worker_files import FileLost, read_whole
from spark_cxr.schemas import CONTENT, FILES, LOOKED, columns

try:
    from pyspark.sql.streaming.datasource import (
        ReadAllAvailable,
        ReadLimit,
        ReadMaxFiles,
        SupportsTriggerAvailableNow,
    )
except ImportError:  # before Spark 4.2 a batch takes all that there is
    ReadAllAvailable = ReadLimit = ReadMaxFiles = SupportsTriggerAvailableNow = object

NAME = "films"
WITH_CONTENT = f"{FILES}, reason string, detail string"
WITH_FACTS = (
    "path string, modified timestamp, bytes bigint, sha256 string, format string, width int, "
    "height int, bits int, pixels_sha256 string, view string, flags array<string>, "
    "reason string, detail string"
)
OPTIONS = {
    "facts": "false",
    "maxfilesperbatch": "1000",
    "maxbytes": str(2**28),
    "settle": "1",
}
"""Options beside the path, with their defaults; Spark knows no capitals in them."""
GONE = ("unreadable", "gone when it was to be read")
"""Reason and detail of a file that was listed, and is no file to read any more."""
AT_ONCE = 32
"""Files of an Arrow batch, as in `session.RUNTIME`."""


def register_films(spark: SparkSession) -> None:
    """Let a session, classic or Connect, know the format "films".

    Options: `facts` (decode each film, and give what it is in place of `content`),
    `maxFilesPerBatch` of a stream, `maxBytes` of a file, `settle` (seconds for which a file has to
    lie there before a stream takes it).
    """
    spark.dataSource.register(FilmsSource)


class FilmsSource(DataSource):
    """The files below a folder or glob."""

    @classmethod
    def name(cls) -> str:
        """Name the format."""
        return NAME

    def schema(self) -> str:
        """Give the columns: what is in a file, or what it is as a film."""
        return WITH_FACTS if _Options.of(self.options).facts else WITH_CONTENT

    def reader(self, schema: Any) -> DataSourceReader:
        """Make the reader of all there is."""
        return FilmsReader(_Options.of(self.options))

    def streamReader(self, schema: Any) -> DataSourceStreamReader:
        """Make the reader of what arrives."""
        return FilmsStreamReader(_Options.of(self.options))


@dataclass(frozen=True)
class _Options:
    path: str
    facts: bool
    most_files: int
    most_bytes: int
    settle: float

    @staticmethod
    def of(given: Mapping[str, str]) -> _Options:
        """Read options, or say which one is wrong."""
        found = {**OPTIONS, **{name.lower(): value for name, value in given.items()}}
        path = found.get("path", "")
        if not path or not is_here(path):
            way_out = 'Say load("/folder"); of other stores read binaryFile'
            raise ConfigError("a folder that driver and workers see", path or "none", way_out)
        numbers = {}
        for name in ("maxfilesperbatch", "maxbytes", "settle"):
            try:
                numbers[name] = float(found[name])
            except ValueError:
                raise ConfigError(f"a number for {name}", found[name], "Correct it") from None
        return _Options(
            path,
            found["facts"].lower() == "true",
            max(1, int(numbers["maxfilesperbatch"])),
            int(numbers["maxbytes"]),
            numbers["settle"],
        )


class _Part(InputPartition):
    """Files that one task reads."""

    def __init__(self, files: Sequence[FoundFile]) -> None:
        super().__init__(None)
        self.files = tuple(files)


class FilmsReader(DataSourceReader):
    """All files that lie there now."""

    def __init__(self, options: _Options) -> None:
        """Keep what was asked for."""
        self._options = options

    def partitions(self) -> Sequence[InputPartition]:
        """List the files, so many a task."""
        return _parts(_listed(self._options))

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Open files, on a worker."""
        return _rows(partition, self._options)


class FilmsStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Files in the order in which they arrived: each once, and again when it has changed.

    A file has arrived when its inode was last changed, which no copying tool sets back, and a move
    changes too: a film with an old date is not overlooked.
    """

    def __init__(self, options: _Options) -> None:
        """Keep what was asked for."""
        self._options, self._ceiling = options, float("inf")

    def initialOffset(self) -> dict[str, Any]:
        """Begin before all files."""
        return {"arrived": 0, "path": ""}

    def getDefaultReadLimit(self) -> Any:
        """Take so many files a batch."""
        return ReadMaxFiles(self._options.most_files)

    def prepareForTriggerAvailableNow(self) -> None:
        """Leave what arrives from now on to the next run."""
        self._ceiling = time.time()
        time.sleep(self._options.settle)

    def latestOffset(
        self, start: dict[str, Any] | None = None, limit: Any = None
    ) -> dict[str, Any]:
        """Name the last file of the next batch."""
        start = start or self.initialOffset()
        waiting = self._after(start)
        if limit is not None and not isinstance(limit, ReadAllAvailable):
            waiting = waiting[: self._options.most_files]
        return _offset(waiting[-1][0]) if waiting else start

    def partitions(self, start: dict[str, Any], end: dict[str, Any]) -> Sequence[InputPartition]:
        """Give the files of a batch."""
        last = (end["arrived"], end["path"])
        return _parts([file for key, file in self._after(start) if key <= last])

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Open files, on a worker."""
        return _rows(partition, self._options)

    def _after(self, start: Mapping[str, Any]) -> list[tuple[tuple[int, str], FoundFile]]:
        """List files that arrived after an offset and have settled, in their order."""
        first = (start["arrived"], start["path"])
        latest = int(1e9 * min(self._ceiling, time.time() - self._options.settle))
        found = ((_arrival(file), file) for file in _listed(self._options))
        keyed = [(key, file) for key, file in found if key and first < key and key[0] <= latest]
        return sorted(keyed, key=lambda each: each[0])


def _arrival(file: FoundFile) -> tuple[int, str] | None:
    try:
        parts = archives.split(file.path)
        return Path(locate(parts[0] if parts else file.path)[1]).stat().st_ctime_ns, file.path
    except OSError:  # gone since it was listed
        return None


def _offset(key: tuple[int, str]) -> dict[str, Any]:
    return {"arrived": key[0], "path": key[1]}


def _listed(options: _Options) -> list[FoundFile]:
    root = locate(options.path)[1]
    paths = expanded(root)
    if not paths:
        raise InputError("a folder of films that exists", root, "Check the folder or glob")
    walk = Walk()
    for path in paths:
        walk.below(path)
    return walk.files


def _parts(files: Sequence[FoundFile]) -> list[InputPartition]:
    starts = range(0, len(files), FILES_A_TASK)
    return [_Part(files[start : start + FILES_A_TASK]) for start in starts]


def _rows(partition: InputPartition, options: _Options) -> Iterator[pa.RecordBatch]:
    """Give the rows of some files as Arrow batches."""
    files = partition.files
    for start in range(0, len(files), AT_ONCE):
        some = files[start : start + AT_ONCE]
        if options.facts:
            yield _facts(some, options)
        else:
            rows = [_with_content(file, options) for file in some]
            yield pa.RecordBatch.from_pylist(rows, schema=arrow_schema(WITH_CONTENT))


def _file_row(file: FoundFile) -> dict[str, Any]:
    return {"path": file.path, "modified": file.modified, "bytes": file.bytes}


def _obstacle(file: FoundFile, options: _Options) -> tuple[str, str] | None:
    """Say why a file is not opened at all."""
    if not file.bytes:
        return "empty", "0 bytes"
    if file.bytes > options.most_bytes:
        return "too_large", f"{file.bytes} bytes, limit {options.most_bytes}"
    return ("unreadable", file.obstacle) if file.obstacle else None


def _with_content(file: FoundFile, options: _Options) -> dict[str, Any]:
    row, why = _file_row(file), _obstacle(file, options)
    if why is None:
        try:
            return {**row, CONTENT: read_whole(file.path)}
        except FileLost:
            why = GONE
        except BadImage as bad:
            why = bad.reason, bad.detail
    return {**row, "reason": why[0], "detail": why[1]}


def _facts(files: Sequence[FoundFile], options: _Options) -> pa.RecordBatch:
    """Decode files as ingest does; the patient stays out, because there is no key here."""
    whys = {file.path: _obstacle(file, options) for file in files}
    able = [{**_file_row(file), CONTENT: None} for file in files if whys[file.path] is None]
    run = on_batches(
        lambda: reading_pass(Reading(DEFAULT_LIMITS, None, "")), f"{LOOKED}, {SPENT} array<double>"
    )
    known = {"path": pa.string(), "modified": pa.timestamp("us", tz="UTC"), "bytes": pa.int64()}
    schema = pa.schema({**known, CONTENT: pa.binary()})
    found = {
        row["path"]: row
        for batch in run(iter([pa.RecordBatch.from_pylist(able, schema=schema)]))
        for row in batch.to_pylist()
    }
    rows = []
    for file in files:
        reason, detail = whys[file.path] or GONE
        lost = {**_file_row(file), "reason": reason, "detail": detail}
        rows.append(found.get(file.path, lost))
    names = columns(WITH_FACTS)
    picked = [{name: row.get(name) for name in names} for row in rows]
    return pa.RecordBatch.from_pylist(picked, schema=arrow_schema(WITH_FACTS))
