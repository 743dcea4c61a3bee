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
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, BadArchive)


class TarFilms:
    """The members of a tar file."""

    def __init__(self, stream: Stream) -> None:
        """Take the file; nothing is read before it is walked along."""
        self._stream, self._lock = stream, Lock()
        self._listed: tuple[list[Member], str] | None = None
        """All members, and why there are no more where the file ends too early."""
        self._places: dict[str, tuple[int, int]] = {}
        self._ahead = _files(stream)
        """The files to which the search for a place has not come."""

    def members(self) -> Iterator[Member]:
        """Give the files among the members, each with its label where one stands beside it."""
        with self._lock:
            self._listed = self._listed or self._walked()
        found, end = self._listed
        yield from found
        if end:
            raise BadArchive(end)

    def read(self, name: str) -> bytes:
        """Read one member from where it lies."""
        with self._lock:
            try:
                start, size = self._place(name)
                self._stream.seek(start)
                data = self._stream.read(size)
            except _BROKEN as error:
                raise MemberLost(f"broken in its tar file: {error}"[:200]) from None
        if len(data) != size:
            raise MemberLost(f"cut off: {size} bytes in its header, {len(data)} in the tar file")
        return data

    def _place(self, name: str) -> tuple[int, int]:
        """Walk to a member and no further: the films of a worker's task lie side by side."""
        while name not in self._places:
            if (info := next(self._ahead, None)) is None:
                raise MemberLost("no longer in the tar file")
            self._places.setdefault(member_name(info.name), (info.offset_data, info.size))
        return self._places[name]

    def _walked(self) -> tuple[list[Member], str]:
        found, notes, end = list[Member](), dict[str, str](), ""
        try:
            for info in _files(self._stream):
                name = member_name(info.name)
                self._places.setdefault(name, (info.offset_data, info.size))
                found.append(Member(name, info.size, _obstacle(info)))
                if label := self._label(info):
                    notes.setdefault(name.rpartition(".")[0], label)
        except _BROKEN as error:
            end = f"no whole tar file: {error}"[:200]
        if notes:
            found = [replace(each, label=_of_film(each.name, notes)) for each in found]
        return found, end

    def _label(self, info: tarfile.TarInfo) -> str | None:
        """Read a class beside a film, where this is one; None where it says nothing of it."""
        kind = info.name.rpartition(".")[2].lower()
        if kind not in (CLASS, NOTES) or not info.isfile() or info.size > LONGEST_NOTE:
            return None
        self._stream.seek(info.offset_data)
        note = self._stream.read(info.size)
        try:
            value = json.loads(note).get("label") if kind == NOTES else note.decode()
        except (ValueError, AttributeError, RecursionError):
            return None
        return str(value).strip() or None if isinstance(value, str | int) else None


class _Headers:
    """The stream, as long as nobody wants more of it than a header has."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_HEADER:
            raise BadArchive(f"a header of {size} bytes")
        return self._stream.read(size)


def _files(stream: Stream) -> Iterator[tarfile.TarInfo]:
    stream.seek(0)
    with tarfile.open(fileobj=_Headers(stream), mode="r:", errorlevel=2) as tar:  # type: ignore[call-overload]
        while (info := tar.next()) is not None:
            tar.members.clear()  # else all of them are held, a kilobyte each
            if not info.isdir():
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
