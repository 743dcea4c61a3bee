"""What lies below folders of this machine: each name is a file to read, or is counted and named.

Spark's own lister ends the run at a folder without rights, follows a link that leads back until the
kernel refuses, and leaves out hidden names in silence. This one names all of that. It spells paths
as Spark does, and passes over what Spark passes over.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spark_cxr.archives import catalog as archives
from spark_cxr.archives.member import BadArchive, NoFilms, in_one_line, spelled
from spark_cxr.film_places import is_table
from spark_cxr.metrics.wording import counted

SIDE_FILES = frozenset(
    (
        *("csv", "tsv", "txt", "md", "json", "jsonl", "xml", "yaml", "yml", "toml", "cls"),
        *("html", "htm", "css", "js", "log", "parquet", "crc", "key", "ini", "py", "ipynb"),
    )
)
"""Suffixes of what lies beside images."""
HIDDEN, SIDE, LEFT_OUT = "hidden", "side_file", "left_out"
LOCKED, LOOP, SPECIAL, NOWHERE = "unreadable", "linked_twice", "no_file", "dangling"
KINDS = {
    HIDDEN: "hidden",
    SIDE: "no image by its suffix",
    LEFT_OUT: "left out by the data set",
    LOCKED: "that cannot be read",
    LOOP: "link to a folder that is listed already",
    SPECIAL: "no regular file",
    NOWHERE: "link to nothing",
}
"""Why a name is passed over, in run.json and in words."""
EXAMPLES = 3
COLON = "Hadoop opens no local file with a colon in its name: rename it"
NO_UTF8 = "the name is not UTF-8: rename it"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a listing."""

    path: str
    """As Spark writes it; bytes that are not UTF-8 stand as \\xff."""
    modified: int | None
    """Microseconds since 1970; None for a file without bytes."""
    bytes: int
    obstacle: str = ""
    """Why Spark cannot open it, where its name says so."""
    label: str | None = None
    """What its archive says of it, beside the film."""

    @property
    def is_member(self) -> bool:
        """Tell a film in an archive (`archives`) from a file."""
        return archives.split(self.path) is not None

    @property
    def is_row(self) -> bool:
        """Tell a film in a table from a file."""
        return is_table(self.path)

    @property
    def is_plain(self) -> bool:
        """Tell a file from a film in an archive or in a table."""
        return not self.is_member and not self.is_row

    @property
    def can_be_read(self) -> bool:
        """Tell a file with bytes and a name that Spark can open."""
        return self.bytes > 0 and not self.obstacle


@dataclass
class PassedOver:
    """What a listing does not give, by kind: how many, and the first few names."""

    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """Count a name, and keep it where it is one of the first."""
        self.counts[kind] += 1
        if len(first := self.names.setdefault(kind, [])) < EXAMPLES:
            first.append(in_one_line(name))

    def to_json(self) -> dict[str, Any]:
        """Give counts and names for run.json."""
        return {
            kind: {"count": count, "first": self.names[kind]}
            for kind, count in sorted(self.counts.items())
        }

    def __str__(self) -> str:
        """Say all of it in one line; empty where nothing was passed over."""
        parts = (
            f"{count:,} {KINDS[kind]} ({', '.join(self.names[kind])}{', …' * (count > EXAMPLES)})"
            for kind, count in sorted(self.counts.items())
        )
        total = self.counts.total()
        return f"{counted(total, 'name')} passed over: {'; '.join(parts)}" if total else ""


@dataclass
class _Folder:
    """A folder on the way, and what Spark is to read of it where it cannot read all of it."""

    path: str
    above: _Folder | None = None
    files: list[str] = field(default_factory=list)
    below: list[_Folder] = field(default_factory=list)
    is_whole: bool = True

    def break_up(self) -> None:
        """Note that Spark's own lister must not enter this folder, nor any above it."""
        folder: _Folder | None = self
        while folder is not None and folder.is_whole:
            folder.is_whole = False
            folder = folder.above


@dataclass
class Walk:
    """A walk below some roots, and what was found.

    A folder that several links lead to is listed once: under its own name if it has one here.
    """

    leave_out: str = ""
    """Expression for paths that are no films."""
    files: list[FoundFile] = field(default_factory=list)
    passed_over: PassedOver = field(default_factory=PassedOver)
    readable: list[str] = field(default_factory=list)
    """Folders and files that hold all of `files` and that Spark's own lister can read."""
    _known: set[tuple[int, int]] = field(default_factory=set)

    def below(self, root: str) -> None:
        """List a folder, or one file."""
        top = _Folder(posixpath.normpath(root))
        folders, links = list[_Folder](), list[_Folder]()
        if Path(top.path).is_dir():
            folders.append(top)
        else:
            top.break_up()
            self._add(top.path, Path(top.path), top)
        while folders or links:  # links last: what they lead to may have a name of its own here
            folder = folders.pop() if folders else links.pop(0)
            for entry in self._entries(folder):
                here = f"{folder.path.rstrip('/')}/{entry.name}"
                if not _is_folder(entry):
                    self._add(here, entry, folder)
                elif is_hidden(entry.name):
                    self.passed_over.add(HIDDEN, f"{here}/")
                else:
                    folder.below.append(_Folder(here, folder))
                    (links if entry.is_symlink() else folders).append(folder.below[-1])
        self.readable.extend(_cover(top))

    def _entries(self, folder: _Folder) -> list[os.DirEntry[str]]:
        """Open a folder, unless that was done before or cannot be done."""
        try:
            there = Path(folder.path).stat()
            if (place := (there.st_dev, there.st_ino)) in self._known:
                self.passed_over.add(LOOP, folder.path)
                folder.break_up()
                return []
            self._known.add(place)
            with os.scandir(folder.path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.passed_over.add(LOCKED, f"{folder.path}: {error.strerror}")
            folder.break_up()
            return []

    def _add(self, here: str, entry: os.DirEntry[str] | Path, folder: _Folder) -> None:
        """Take a file into the listing, or pass it over with a word."""
        path = f"file:{spelled(here)}"
        if kind := kind_by_name(path, self.leave_out):
            self.passed_over.add(kind, here)
            return
        try:
            there = entry.stat()
        except FileNotFoundError:
            if entry.is_symlink():
                self.passed_over.add(NOWHERE, here)
            return
        except OSError as error:
            self.passed_over.add(LOCKED, f"{here}: {error.strerror}")
            folder.break_up()
            return
        if not stat.S_ISREG(there.st_mode):
            self.passed_over.add(SPECIAL, here)
            return
        file = FoundFile(path, *_time_and_size(there), obstacle_of(here))
        found = list(films_in(file, self.leave_out, self.passed_over))
        self.files.extend(found)
        if found == [file] and not file.obstacle:
            folder.files.append(here)


def film_at(path: str, otherwise: str) -> FoundFile:
    """Look up one file of this machine; where there is none, give a row with that obstacle."""
    address = f"file:{spelled(path)}"
    try:
        there = Path(path).stat()
    except OSError:
        return FoundFile(address, None, 0, otherwise)
    if not stat.S_ISREG(there.st_mode):
        return FoundFile(address, None, 0, KINDS[SPECIAL])
    return FoundFile(address, *_time_and_size(there), obstacle_of(path))


def films_in(file: FoundFile, leave_out: str, passed_over: PassedOver) -> Iterator[FoundFile]:
    """List what is in an archive; any other file, and an archive that is broken, is one itself."""
    if not (file.can_be_read and archives.kind_of(file.path)):
        yield file
        return
    try:
        for member in archives.members_of(file.path):
            path = archives.path_of(file.path, member.name)
            if kind := _kind_of_member(member.name, path, leave_out):
                passed_over.add(kind, path)
                continue
            time = file.modified if member.bytes else None
            yield FoundFile(path, time, member.bytes, member.obstacle, member.label)
    except NoFilms:
        passed_over.add(SIDE, file.path)
    except BadArchive as error:
        yield replace(file, obstacle=str(error))
    except OSError as error:
        passed_over.add(LOCKED, f"{file.path}: {error.strerror}")


def _kind_of_member(name: str, path: str, leave_out: str) -> str:
    """Say why a member is passed over for its name alone, or for that of a folder around it."""
    folders = name.split("/")[:-1]
    return HIDDEN if any(map(is_hidden, folders)) else kind_by_name(path, leave_out)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def time_and_size(path: str) -> tuple[int | None, int] | None:
    """Look up a file of this machine, or the archive of a film, as a listing has it; None: gone."""
    parts = archives.split(path)
    file = parts[0] if parts else path
    try:
        return _time_and_size(Path("/" + file.removeprefix("file:").lstrip("/")).stat())
    except OSError:
        return None


def is_unchanged(path: str, modified: int | None, size: int) -> bool:
    """Tell whether a file of this machine, or the archive it lies in, is as it was when listed."""
    there = time_and_size(path)
    if there is None:
        return False
    return there[0] == modified and (archives.split(path) is not None or there[1] == size)


def _time_and_size(there: os.stat_result) -> tuple[int | None, int]:
    # Java counts in milliseconds, and so do the tables of earlier versions.
    return there.st_mtime_ns // 1_000_000 * 1000 if there.st_size else None, there.st_size


def kind_by_name(path: str, leave_out: str) -> str:
    """Say why a path is passed over for its name alone; empty: it is not."""
    name = path.rpartition("/")[2]
    if is_hidden(name):
        return HIDDEN
    is_beside = "." in name and name.rpartition(".")[2].lower() in SIDE_FILES
    if is_beside and not archives.kind_of(name):
        return SIDE
    return LEFT_OUT if leave_out and re.search(leave_out, path) else ""


def is_hidden(name: str) -> bool:
    """Tell what Spark's lister leaves out."""
    if name == "..":
        return False
    is_private = name.startswith("_") and "=" not in name
    return is_private or name.startswith(".") or name.endswith("._COPYING_")


def obstacle_of(path: str) -> str:
    """Say why Spark cannot open a file with this path; empty: it can."""
    if spelled(path) != path:
        return NO_UTF8
    return COLON if ":" in path.rpartition("/")[2] else ""


def _cover(top: _Folder) -> Iterator[str]:
    """Name the largest folders below which Spark's lister meets no obstacle, and other files."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        if folder.is_whole and not obstacle_of(folder.path):
            yield folder.path
        else:
            yield from folder.files
            waiting.extend(folder.below)
