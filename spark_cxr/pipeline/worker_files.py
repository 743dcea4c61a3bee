"""A file that a worker opens itself: a film of a listing, by the path that Spark writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spark_cxr.archives import catalog as archives
from spark_cxr.archives.member import MemberLost
from spark_cxr.errors import BadImage
from spark_cxr.output import is_here, locate

MOST = 2**31 - 1
"""Bytes of a file; what has grown beyond is lost, as it is to Spark."""


class FileLost(Exception):
    """A listed file cannot be read any more: it is gone, locked, or no file."""


@dataclass(frozen=True)
class OpenFile:
    """An open regular file."""

    number: int
    size: int


@contextmanager
def open_whole(path: str) -> Iterator[OpenFile]:
    """Open a file, unless something else lies there by now, such as a pipe that nobody fills.

    Raises:
        OSError: there is no regular file that can be read.
    """
    number = os.open(locate(path)[1], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        there = os.fstat(number)
        if not stat.S_ISREG(there.st_mode):
            raise OSError(f"{path} is no regular file")
        yield OpenFile(number, there.st_size)
    finally:
        os.close(number)


def read_whole(path: str) -> bytes:
    """Read a file, or a film in an archive, as it is now.

    Raises:
        FileLost: there is nothing to read.
        BadImage: its archive is there, and does not give it.
    """
    try:
        if parts := archives.split(path):
            return archives.read_member(*parts)
        with open_whole(path) as file:
            if file.size > MOST:
                raise FileLost(path)
            with open(file.number, "rb", buffering=0, closefd=False) as stream:
                return stream.readall()
    except MemberLost as error:
        raise BadImage("unreadable", str(error)) from None
    except OSError as error:
        raise FileLost(path) from error


def read_anywhere(path: str) -> bytes:
    """Read a file of this machine or of a store, or a film in an archive.

    Raises:
        FileLost: there is nothing to read.
        OSError: the store does not give it.
        BadImage: its archive is there, and does not give it.
    """
    if is_here(path) or archives.split(path):
        return read_whole(path)
    store, inside = locate(path)
    with store.open_input_stream(inside) as stream:
        return bytes(stream.read())
