"""Which files are archives, what is in them, and a member's bytes by its path.

A member's path is that of its archive, "!/", and its name: `file:/films/2020.zip!/ward/a.png`.
"""

from __future__ import annotations

import io
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import cast

from pyarrow import fs

from spark_cxr.archives.arrays import ArrayFilms
from spark_cxr.archives.gzip_seek import SeekableGzip
from spark_cxr.archives.member import Archive, BadArchive, Member, MemberLost, Stream
from spark_cxr.archives.parquet_rows import ParquetFilms
from spark_cxr.archives.tars import TarFilms
from spark_cxr.archives.zips import ZipFilms
from spark_cxr.output import is_here, locate


def _gzipped(stream: Stream) -> TarFilms:
    return TarFilms(cast("Stream", SeekableGzip(stream)))


KINDS: dict[str, Callable[[Stream], Archive]] = {
    ".zip": ZipFilms,
    ".tar": TarFilms,
    ".tar.gz": _gzipped,
    ".tgz": _gzipped,
    ".parquet": ParquetFilms,
    ".npy": ArrayFilms,
    ".npz": ArrayFilms,
}
"""By the end of the name."""
INSIDE = "!/"
_MEMBER = re.compile(rf"^(.*?({'|'.join(map(re.escape, KINDS))})){INSIDE}(.+)$", re.DOTALL | re.I)
OPEN_AT_ONCE = 4
AHEAD = 2**20
"""Bytes that a store is asked for at once: it takes no longer to send them than to be asked."""
ASKED_AGAIN = 5.0
"""Seconds until a store is asked once more whether an archive has changed; a disk always is."""


def kind_of(path: str) -> str:
    """Name the kind of archive, by the end of its name; empty: it is none."""
    name = path.rpartition("/")[2].lower()
    return next((end for end in KINDS if name.endswith(end) and name != end), "")


def split(path: str) -> tuple[str, str] | None:
    """Take the path of a member apart into its archive's and its name; None: it is no member's."""
    found = _MEMBER.match(path) if INSIDE in path else None
    return (found[1], found[3]) if found else None


def path_of(archive: str, member: str) -> str:
    """Give the path of a member; that of the archive itself where it is the one film in it."""
    return f"{archive}{INSIDE}{member}" if member else archive


def members_of(address: str) -> Iterator[Member]:
    """Give the members of an archive, each under a name that no other has.

    Raises:
        BadArchive: It is none, or ends before its end; what came before was given.
    """
    names = Counter[str]()
    for member in _SHELF.open(address).archive.members():
        names[member.name] += 1
        if (times := names[member.name]) > 1:
            why = "a second member of this name"
            member = replace(member, name=f"{member.name}#{times}", obstacle=why)
        yield member


def read_member(address: str, name: str) -> bytes:
    """Read a member, by range where the archive allows it.

    Raises:
        MemberLost: There is no such member, or it is broken.
        OSError: There is no such archive.
    """
    try:
        return _SHELF.open(address).archive.read(name)
    except BadArchive as error:
        raise MemberLost(str(error)) from None


@dataclass
class _Opened:
    """An archive that is open, as it was at one moment."""

    identity: tuple[int, int]
    """When it was last changed, in nanoseconds, and its bytes."""
    archive: Archive
    as_of: float
    """When its identity was last asked for."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of its members, once somebody has asked."""


class _Shelf:
    """The archives that this process has open, the last few, with their indexes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[str, _Opened] = OrderedDict()

    def open(self, address: str) -> _Opened:
        """Open an archive, unless it is open and has not changed."""
        with self._lock:
            known = self._open.get(address)
            if known is None or is_here(address) or time.monotonic() > known.as_of + ASKED_AGAIN:
                self._open[address] = known = _asked(address, known)
            self._open.move_to_end(address)
            while len(self._open) > OPEN_AT_ONCE:
                self._open.popitem(last=False)
            return known


def _asked(address: str, known: _Opened | None) -> _Opened:
    """Look at an archive; give what is known of it where that still holds."""
    store, path = locate(address)
    info = store.get_file_info(path)
    if info.type != fs.FileType.File:
        raise FileNotFoundError(address)
    identity = (info.mtime_ns or 0, info.size or 0)
    if known is not None and known.identity == identity:
        known.as_of = time.monotonic()
        return known
    file, kind = store.open_input_file(path), kind_of(address)
    if not is_here(address) and KINDS[kind] is not ParquetFilms:  # which reads in large pieces
        file = io.BufferedReader(file, AHEAD)
    return _Opened(identity, KINDS[kind](cast("Stream", file)), time.monotonic())


_SHELF = _Shelf()


def size_of(path: str) -> int | None:
    """Look up how many bytes a member has by its archive's index; None: it is gone."""
    if (parts := split(path)) is None:
        return None
    with suppress(BadArchive, OSError):
        known = _SHELF.open(parts[0])
        known.sizes = known.sizes or {each.name: each.bytes for each in members_of(parts[0])}
        return known.sizes.get(parts[1])
    return None
