"""Tar files, plain or gzipped, WebDataset's shards among them: one walk along the headers.

Beside a film, WebDataset keeps what is known of it under the same name: its class in `.cls`, or as
"label" in `.json`.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from threading import Lock

from spark_cxr.archives.member import (
    BadArchive,
    Member,
    MemberLost,
    Stream,
    member_name,
    obstacle_of_name,
)

LONGEST_HEADER = 2**20
"""Bytes of a header beyond which nobody's names are so long."""
LONGEST_NOTE = 2**16
"""Bytes of what stands beside a film."""
CLASS, NOTES = "cls", "json"


class TarFilms:
    """The members of a tar file."""

    def __init__(self, stream: Stream) -> None:
        """Take the file; nothing is read before it is walked along."""
        self._stream, self._lock = stream, Lock()
        self._found: list[Member] | None = None
        self._places: dict[str, tuple[int, int]] = {}
        self._end = ""

    def members(self) -> Iterator[Member]:
        """Give the files among the members, each with its label where one stands beside it."""
        with self._lock:
            found = self._walked()
        yield from found
        if self._end:
            raise BadArchive(self._end)

    def read(self, name: str) -> bytes:
        """Read one member from where it lies."""
        with self._lock:
            self._walked()
            try:
                start, size = self._places[name]
                self._stream.seek(start)
                data = self._stream.read(size)
            except KeyError:
                raise MemberLost("no longer in the tar file") from None
            except (OSError, EOFError, BadArchive) as error:
                raise MemberLost(f"broken in its tar file: {error}"[:200]) from None
        if len(data) != size:
            raise MemberLost(f"cut off: {size} bytes in its header, {len(data)} in the tar file")
        return data

    def _walked(self) -> list[Member]:
        if self._found is None:
            self._found, notes = [], dict[str, str]()
            try:
                for info in _headers(self._stream):
                    self._take(info, self._found, notes)
            except (tarfile.TarError, OSError, EOFError, ValueError, BadArchive) as error:
                self._end = f"no whole tar file: {error}"[:200]
            self._found = [replace(each, label=_of_film(each.name, notes)) for each in self._found]
        return self._found

    def _take(self, info: tarfile.TarInfo, found: list[Member], notes: dict[str, str]) -> None:
        name, kind = member_name(info.name), info.name.rpartition(".")[2].lower()
        if info.isdir():
            return
        if kind in (CLASS, NOTES) and info.isfile() and info.size <= LONGEST_NOTE:
            place = self._stream.tell()
            self._stream.seek(info.offset_data)
            if label := _label(kind, self._stream.read(info.size)):
                notes.setdefault(name.rpartition(".")[0], label)
            self._stream.seek(place)
        found.append(Member(name, info.size, _obstacle(info)))
        self._places.setdefault(name, (info.offset_data, info.size))


class _Headers:
    """The stream, as long as nobody wants more of it than a header has."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_HEADER:
            raise BadArchive(f"a header of {size} bytes")
        return self._stream.read(size)


def _headers(stream: Stream) -> Iterator[tarfile.TarInfo]:
    stream.seek(0)
    with tarfile.open(fileobj=_Headers(stream), mode="r:", errorlevel=2) as tar:  # type: ignore[call-overload]
        while (info := tar.next()) is not None:
            tar.members.clear()  # else all of them are held, a kilobyte each
            yield info


def _obstacle(info: tarfile.TarInfo) -> str:
    if info.issparse() or not info.isfile():
        return "a link, a device or a file with holes in a tar file"
    return obstacle_of_name(info.name)


def _of_film(name: str, notes: Mapping[str, str]) -> str | None:
    """Find what stands beside a film: under its name without the suffix, or up to its first dot."""
    folder, slash, file = name.rpartition("/")
    stems = (name.rpartition(".")[0], f"{folder}{slash}{file.partition('.')[0]}")
    return next((notes[stem] for stem in stems if stem in notes), None)


def _label(kind: str, note: bytes) -> str | None:
    """Read a class beside a film; None where the note says nothing of it."""
    try:
        text = note.decode()
        value = json.loads(text).get("label") if kind == NOTES else text
    except (ValueError, AttributeError, RecursionError):
        return None
    return str(value).strip() or None if isinstance(value, str | int) else None
