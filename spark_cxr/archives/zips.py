"""Zip files: their own index says where each member lies."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator

from spark_cxr.archives.member import (
    BadArchive,
    Member,
    MemberLost,
    Stream,
    member_name,
    obstacle_of_name,
)

ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
"""What zipfile raises on bytes that are not what they should be."""


class ZipFilms:
    """The members of a zip file."""

    def __init__(self, stream: Stream) -> None:
        """Read the index, which stands at the end."""
        try:
            self._zip = zipfile.ZipFile(stream)
        except BROKEN as error:
            raise BadArchive(f"no whole zip file: {error}") from None
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            self._infos.setdefault(member_name(info.filename), info)

    def members(self) -> Iterator[Member]:
        """Give the files among the members, in the order of the index."""
        for info in self._zip.infolist():
            if not info.is_dir():
                yield Member(member_name(info.filename), info.file_size, _obstacle(info))

    def read(self, name: str) -> bytes:
        """Decompress one member, no further than to the size that the index names."""
        try:
            info = self._infos[name]
            with self._zip.open(info) as member:
                data = member.read(info.file_size + 1)
        except KeyError:
            raise MemberLost("no longer in the zip file") from None
        except (*BROKEN, RuntimeError, MemoryError) as error:
            raise MemberLost(f"broken in its zip file: {error}"[:200]) from None
        if len(data) != info.file_size:
            raise MemberLost(f"{info.file_size} bytes by the index, {len(data)} in the zip file")
        return data


def _obstacle(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & ENCRYPTED:
        return "encrypted in its zip file: unpack it first"
    if info.compress_type not in METHODS:
        return f"compressed by a method that is not read ({info.compress_type})"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link in a zip file"
    return obstacle_of_name(info.filename)
