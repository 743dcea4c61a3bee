"""Gzip that can be read from any place: copies of the decompressor are kept along the way.

A place that was passed is reached again from the copy before it, not from the beginning.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

from spark_cxr.archives.member import BadArchive, Stream

BETWEEN = 2**22
"""Bytes that come out between two copies; one takes some 45 kB."""
PIECE = 2**16
"""Compressed bytes at a time."""
MOST_TIMES, AT_LEAST = 200, 2**26
"""What comes out may be so many times what went in; films are a third to a twentieth of it."""
GZIP = 31
"""zlib's number for gzip with its header."""


@dataclass
class _State:
    """A decompressor at some place."""

    out: int
    """Bytes that have come out of it."""
    read: int
    """Place in the compressed file of what it takes next."""
    decompress: Any
    left: bytes = b""
    """Compressed bytes that it has been given and has not taken."""
    is_over: bool = False

    def copy(self) -> _State:
        return replace(self, decompress=self.decompress.copy())


class SeekableGzip(io.RawIOBase):
    """The uncompressed bytes of a gzip file, of one or several parts."""

    def __init__(self, stream: Stream) -> None:
        """Begin before the first byte."""
        super().__init__()
        self._stream, self._place = stream, 0
        self._size = stream.seek(0, io.SEEK_END)
        self._states = [_State(0, 0, zlib.decompressobj(GZIP))]
        self._now = self._states[0].copy()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any place can be reached."""
        return True

    def tell(self) -> int:
        """Say where the next byte comes from."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; work is done only when bytes are wanted from there."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end of a gzip file is not known")
        self._place = max(0, offset + (self._place if whence == io.SEEK_CUR else 0))
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Give bytes from here on; fewer where the file ends.

        Raises:
            BadArchive: It is no gzip, is cut off, or grows beyond all measure.
        """
        if self._place < self._now.out or self._before(self._place).out > self._now.out:
            self._now = self._before(self._place).copy()
        while self._now.out < self._place:
            if not self._next(min(self._place - self._now.out, PIECE)):
                return b""
        parts, wanted = list[bytes](), size if size >= 0 else 2**62
        while wanted and (part := self._next(min(wanted, PIECE))):
            parts.append(part)
            wanted -= len(part)
        data = b"".join(parts)
        self._place += len(data)
        return data

    def _before(self, place: int) -> _State:
        return self._states[bisect_right([state.out for state in self._states], place) - 1]

    def _next(self, most: int) -> bytes:
        """Give some bytes, at most so many; none at the end."""
        now = self._now
        while not now.is_over:
            if now.decompress.eof:  # another part may follow, or zeros that fill up a block
                now.left, now.decompress = now.decompress.unused_data, zlib.decompressobj(GZIP)
                now.is_over = now.read >= self._size and not now.left.strip(b"\0")
                continue
            if not now.left:
                self._stream.seek(now.read)
                now.left = self._stream.read(PIECE)
                now.read += len(now.left)
                if not now.left:
                    raise BadArchive("cut off in the middle")
            try:
                data: bytes = now.decompress.decompress(now.left, most)
            except zlib.error as error:
                raise BadArchive(f"no whole gzip: {error}") from None
            now.left = now.decompress.unconsumed_tail
            if data:
                return self._passed(data)
        return b""

    def _passed(self, data: bytes) -> bytes:
        """Note how far it has come, and keep a copy where the last one is far away."""
        now = self._now
        now.out += len(data)
        if now.out > max(AT_LEAST, MOST_TIMES * now.read):
            raise BadArchive(f"more than {MOST_TIMES} times its size comes out")
        if now.out >= self._states[-1].out + BETWEEN and not now.decompress.eof:
            self._states.append(now.copy())
        return data
