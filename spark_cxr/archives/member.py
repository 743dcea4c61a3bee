"""What an archive gives: its members, each with a name of its own, and the bytes of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Protocol

Stream = IO[bytes]


class BadArchive(Exception):
    """A file that is no whole archive of its kind: says why, in a few words."""


class NoFilms(BadArchive):
    """A file that is whole and holds no films, such as a Parquet table of labels."""


class MemberLost(Exception):
    """A member that cannot be read, though it was listed: says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Member:
    """A film, or something else, in an archive."""

    name: str
    bytes: int
    obstacle: str = ""
    """Why it cannot be read, where the archive's index says so."""
    label: str | None = None
    """What the archive says of it beside the film."""


class Archive(Protocol):
    """An open archive; several threads may read from it at the same time."""

    def members(self) -> Iterator[Member]:
        """Give all members in their order.

        Raises:
            BadArchive: It ends before its end; what came before was given.
        """
        ...

    def read(self, name: str) -> bytes:
        """Give the bytes of a member.

        Raises:
            MemberLost: There are none.
        """
        ...


def obstacle_of_name(name: str) -> str:
    """Say why nothing is read by this name; empty: it may be."""
    if name.startswith(("/", "\\")) or name[1:3] in (":\\", ":/"):
        return "an absolute name in an archive"
    if ".." in name.replace("\\", "/").split("/"):
        return "a name that leads out of its archive"
    return ""


def spelled(path: str) -> str:
    """Write a path as text that any table can hold."""
    if path.isascii():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def member_name(written: str) -> str:
    """Write the name of a member in one line, and without the "./" that `tar -C DIR .` begins with.

    A name that begins with a dot would count as hidden.
    """
    name = in_one_line(written)
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def in_one_line(name: str) -> str:
    """Write a name so that it stays in its line."""
    if (name := spelled(name)).isprintable():
        return name
    return "".join(s if s.isprintable() else s.encode("unicode_escape").decode() for s in name)
