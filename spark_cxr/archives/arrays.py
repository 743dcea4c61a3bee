"""Arrays of grey levels: `.npy` with one film or a stack of them, `.npz` with labels beside.

A film of a stack is given as a NumPy file of its own.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from spark_cxr.archives.member import BadArchive, Member, MemberLost, Stream
from spark_cxr.errors import BadImage
from spark_cxr.images.npy import COLOURS, as_npy, read_header

BROKEN = (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError, RuntimeError, MemoryError)
_LABELS = (("images", "labels"), ("x_", "y_"), ("image", "label"), ("films", "labels"))
"""How the name of an array of films becomes that of their labels."""
_MOST_LABELS = 2**28
"""Bytes of an array of labels."""


@dataclass(frozen=True)
class _Stack:
    """An array of films in a file."""

    source: str
    """The name of its file in the archive; empty: the file itself."""
    start: int
    """Bytes of its header."""
    shape: tuple[int, ...]
    kind: np.dtype[Any]
    is_one_film: bool

    @property
    def film_bytes(self) -> int:
        """Say how many bytes a film has without a header."""
        return prod(self.shape[1:]) * self.kind.itemsize


class ArrayFilms:
    """The films of a `.npy` or `.npz` file."""

    def __init__(self, stream: Stream) -> None:
        """Find the arrays of films among all arrays.

        Raises:
            BadArchive: There is none, or the file is broken.
        """
        self._stream, self._lock = stream, Lock()
        self._zip: zipfile.ZipFile | None = None
        self._open: tuple[str, Stream] | None = None
        self._stacks: dict[str, _Stack] = {}
        why = "none is (films, height, width) or (height, width)"
        try:
            self._zip = zipfile.ZipFile(stream) if zipfile.is_zipfile(stream) else None
            for name in self._zip.namelist() if self._zip else [""]:
                try:
                    self._note(name)
                except BadImage as bad:  # labels, names, masks: an array that is no film
                    why = bad.detail
        except BROKEN as error:
            raise BadArchive(f"no whole file of arrays: {error}"[:200]) from None
        if not self._stacks:
            raise BadArchive(f"no array of films: {why}")

    def _note(self, name: str) -> None:
        with self._opened(name) as stream:
            shape, by_columns, kind = read_header(stream)
            start = stream.tell()
        if len(shape) not in (2, 3, 4) or not all(shape):
            return
        if by_columns:
            raise BadImage("unsupported_photometric", "columns come first: save it in C order")
        is_stack = len(shape) == 4 or (len(shape) == 3 and shape[-1] not in COLOURS)
        films = shape if is_stack else (1, *shape)
        self._stacks[name.removesuffix(".npy")] = _Stack(name, start, films, kind, not is_stack)

    def _opened(self, name: str) -> AbstractContextManager[Any]:
        if self._zip:
            return self._zip.open(name)
        self._stream.seek(0)
        return nullcontext(self._stream)

    def members(self) -> Iterator[Member]:
        """Give a member a film, named by its array and its number; one film alone has no name."""
        for name, stack in self._stacks.items():
            if stack.is_one_film and not self._zip:
                yield Member("", stack.start + stack.film_bytes)
                return
            labels = self._labels_of(name, stack.shape[0])
            header = len(as_npy(np.broadcast_to(np.zeros((), stack.kind), stack.shape[1:])[:0]))
            for number in range(stack.shape[0]):
                label = labels[number] if labels else None
                size = header + stack.film_bytes
                yield Member(f"{name}/{number:09d}".lstrip("/"), size, label=label)

    def _labels_of(self, name: str, films: int) -> list[str] | None:
        """Read the labels of an array of films from the array beside it; None: there is none."""
        for of_films, of_labels in _LABELS:
            other = f"{name.replace(of_films, of_labels)}.npy"
            if self._zip and of_films in name and other in self._zip.namelist():
                if self._zip.getinfo(other).file_size > _MOST_LABELS:
                    raise BadArchive(f"{other}: too large for labels")
                try:
                    with self._zip.open(other) as stream:
                        labels = np.lib.format.read_array(stream, allow_pickle=False).reshape(-1)
                except BROKEN as error:
                    raise BadArchive(f"{other}: {error}"[:200]) from None
                return [str(label) for label in labels.tolist()] if len(labels) == films else None
        return None

    def read(self, name: str) -> bytes:
        """Give one film as a NumPy file."""
        array, _, number = name.rpartition("/")
        try:
            stack = self._stacks[array]
            with self._lock:
                place = stack.start + int(number) * stack.film_bytes
                data = self._from(stack.source, place, stack.film_bytes)
        except BROKEN as error:
            raise MemberLost(f"broken in its file of arrays: {error}"[:200]) from None
        if len(data) != stack.film_bytes:
            raise MemberLost(f"cut off: {stack.film_bytes} bytes of a film, {len(data)} are there")
        return as_npy(np.frombuffer(data, stack.kind).reshape(stack.shape[1:]))

    def _from(self, source: str, place: int, size: int) -> bytes:
        """Read from a place; in a zip file on from the last film, where that lies before it."""
        if self._open is None or self._open[0] != source:
            self._open = source, self._zip.open(source) if self._zip else self._stream
        stream = self._open[1]
        stream.seek(place)
        return stream.read(size)
