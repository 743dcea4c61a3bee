"""Parquet files with a film in each row, as Hugging Face, Spark or `spark-cxr pack` write them.

The film is a column of bytes, a struct with `bytes` and `path`, an image of Spark's own reader, or
an array of grey levels. Row groups are read a few rows at a time, so that a large one is no burden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from spark_cxr.archives.member import (
    BadArchive,
    Member,
    MemberLost,
    NoFilms,
    Stream,
    in_one_line,
)
from spark_cxr.images.npy import as_npy

FILMS = ("image", "film", "content", "bytes", "png", "jpg", "jpeg", "dcm", "img")
"""Names of a column of films; the first that is there, and holds what may be a film, is taken."""
NAMES = ("path", "file_name", "filename", "image_path", "image_id", "file", "id", "__key__")
LABELS = ("label", "labels", "class", "target")
ROWS_AT_ONCE = 16
PIECES_KEPT = 4
"""Of so many rows each: threads that read ahead ask for their rows nearly in order."""
BROKEN = (pa.ArrowException, OSError, ValueError, KeyError)
_MODES = {0: 1, 16: 3, 24: 4}
"""Spark's image modes of 8 bits (OpenCV's numbers), and how many channels each has."""


class ParquetFilms:
    """The rows of a Parquet file."""

    def __init__(self, stream: Stream) -> None:
        """Read the schema.

        Raises:
            BadArchive: It is no Parquet file.
            NoFilms: It has no column of films.
        """
        try:
            self._file = parquet.ParquetFile(stream)
            schema = self._file.schema_arrow
        except BROKEN as error:
            raise BadArchive(f"no whole Parquet file: {error}"[:200]) from None
        if (film := film_column(schema)) is None:
            raise NoFilms("no column of films")
        self._film, self._schema, self._lock = film, schema, Lock()
        self._numbers: dict[str, int] | None = None
        self._group: _RowGroup | None = None

    def members(self) -> Iterator[Member]:
        """Give a member a row, named by its path or its number.

        How many bytes a film has only the film says, so all of them are read, a few at a time.
        """
        try:
            films = self._file.iter_batches(ROWS_AT_ONCE, columns=[self._film], use_threads=False)
            sizes = (
                len(as_file(value)) for batch in films for value in batch.column(0).to_pylist()
            )
            for (name, label), size in zip(self._named(), sizes, strict=True):
                yield Member(name, size, label=label)
        except BROKEN as error:
            raise BadArchive(f"no whole Parquet file: {error}"[:200]) from None

    def read(self, name: str) -> bytes:
        """Read one row; those after it are at hand then."""
        with self._lock:
            try:
                if self._numbers is None:
                    self._numbers = {}
                    for number, (each, _) in enumerate(self._named()):
                        self._numbers.setdefault(each, number)
                return as_file(self._row(self._numbers[name]))
            except (*BROKEN, TypeError, StopIteration) as error:
                raise MemberLost(f"broken in its Parquet file: {error}"[:200]) from None

    def _named(self) -> Iterator[tuple[str, str | None]]:
        """Give name and label of each row."""
        label, name = _first(self._schema, LABELS), self._name_column()
        classes = _classes(self._schema.metadata or {}, label)
        wanted, number = [each for each in (label, name) if each], 0
        rows = self._file.iter_batches(columns=wanted) if wanted else ()
        for batch in rows:
            for row in pa.Table.from_batches([batch]).flatten().to_pylist():
                yield name_of(row.get(name)) or f"{number:09d}", _class(row.get(label), classes)
                number += 1
        for nameless in range(number, self._file.metadata.num_rows):
            yield f"{nameless:09d}", None

    def _name_column(self) -> str:
        kind = self._schema.field(self._film).type
        inner = {each.name for each in kind} if pa.types.is_struct(kind) else set()
        for name in ("path", "origin"):
            if name in inner:
                return f"{self._film}.{name}"
        return _first(self._schema, NAMES)

    def _row(self, number: int) -> Any:
        group, first = 0, 0
        while number >= first + self._file.metadata.row_group(group).num_rows:
            first += self._file.metadata.row_group(group).num_rows
            group += 1
        if self._group is None or not self._group.reaches(group, number - first):
            rows = self._file.iter_batches(ROWS_AT_ONCE, [group], [self._film], use_threads=False)
            self._group = _RowGroup(group, rows)
        return self._group.row(number - first)


@dataclass
class _RowGroup:
    """A row group that is being read, and the last pieces that came out of it."""

    number: int
    rest: Iterator[pa.RecordBatch]
    rows_read: int = 0
    pieces: dict[int, pa.RecordBatch] = field(default_factory=dict)
    """By the number of their first row in the group."""

    def reaches(self, group: int, row: int) -> bool:
        """Tell whether a row is at hand, or still to come."""
        is_to_come = row >= self.rows_read
        return group == self.number and (is_to_come or row >= min(self.pieces, default=0))

    def row(self, row: int) -> Any:
        """Give the value of a row, and read on to it."""
        while row >= self.rows_read:
            piece = next(self.rest)
            self.pieces[self.rows_read] = piece
            self.rows_read += piece.num_rows
            if len(self.pieces) > PIECES_KEPT:
                del self.pieces[min(self.pieces)]
        start = max(each for each in self.pieces if each <= row)
        return self.pieces[start].column(0)[row - start].as_py()


def film_column(schema: pa.Schema) -> str | None:
    """Name the column of films; None where there is none."""
    return next((name for name in FILMS if name in schema.names and _may_hold(schema, name)), None)


def _may_hold(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        return any(_is_bytes(inner[each]) for each in ("bytes", "data") if each in inner)
    return _is_bytes(kind) or (_is_list(kind) and _is_list(kind.value_type))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def as_file(value: Any) -> bytes:
    """Give the value of a row as the bytes of a file; what is missing has none."""
    if value is None:
        return b""
    if isinstance(value, Mapping):
        if "nChannels" in value:
            return _of_spark(value)
        value = value.get("bytes", value.get("data"))
        return bytes(value or b"")
    return as_npy(np.asarray(value)) if isinstance(value, list) else bytes(value)


def _of_spark(image: Mapping[str, Any]) -> bytes:
    """Give an image of Spark's own reader, blue first, as an array."""
    channels = _MODES[image["mode"]]
    shape = (image["height"], image["width"], channels)
    pixels = np.frombuffer(image["data"], np.uint8).reshape(shape)
    return as_npy(pixels[..., 0] if channels == 1 else pixels[..., 2::-1])


def _first(schema: pa.Schema, names: tuple[str, ...]) -> str:
    plain = {each.name for each in schema if not pa.types.is_nested(each.type)}
    return next((name for name in names if name in plain), "")


def _classes(metadata: Mapping[bytes, bytes], column: str) -> list[str]:
    """Read the names of the classes that Hugging Face keeps beside a column of numbers."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def name_of(written: Any) -> str | None:
    """Make a name of a path that stands in a row: no more than a name, wherever it leads."""
    parts = re.sub(r"^\w+:", "", in_one_line(str(written or ""))).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or None


def _class(label: Any, classes: Sequence[str]) -> str | None:
    if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
        return None
    if isinstance(label, int) and 0 <= label < len(classes):
        return classes[label]
    return str(label)
