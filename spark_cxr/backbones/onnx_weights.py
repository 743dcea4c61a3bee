"""The files beside an ONNX graph that it keeps weights in, by name, without a package for ONNX.

A graph is a message of protobuf: fields with numbers, some of which are messages again. Whoever
wrote it may have ordered them at will, so they are walked, and weights are skipped: a graph of
gigabytes takes as long as its nodes do.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

ENTRY = "entry"
WITHIN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        **dict.fromkeys((5, 10), "tensor"),
        **dict.fromkeys((6, 11), "graph"),
        **dict.fromkeys((22, 23), "sparse"),
    },
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: ENTRY},
}
"""The fields of each message of ONNX that lead to an entry with the name of a file (onnx.proto)."""
_KEY, _VALUE = 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_GROUPS = (3, 4)
_LONGEST = 10
"""Bytes of a number."""


def external_names(path: Path) -> set[str]:
    """Name the files that a graph keeps weights in.

    Where it is no protobuf, what stands before that is read: no engine reads such a file.
    """
    if not path.stat().st_size:
        return set()
    names, todo = set[str](), list[tuple[str, int, int]]()
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
        todo.append(("model", 0, len(data)))
        while todo:
            kind, begin, end = todo.pop()
            if kind == ENTRY:
                names |= _location(data, begin, end)
                continue
            for number, first, last in _fields(data, begin, end):
                if number in WITHIN[kind]:
                    todo.append((WITHIN[kind][number], first, last))
    return names


def _location(data: mmap, begin: int, end: int) -> set[str]:
    """Give the values of an entry that has the key `location`; of several engines take the last."""
    parts = [(number, data[first:last]) for number, first, last in _fields(data, begin, end)]
    if (_KEY, b"location") not in parts:
        return set()
    return {part.decode("utf-8", "replace") for number, part in parts if number == _VALUE}


def _fields(data: mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give number, begin and end of the fields of a message that can be messages themselves.

    Begin and end of a group are passed over, and what is in it counts as fields of the message.
    """
    while at < end:
        tag, at = _number(data, at, end)
        kind, size = tag & 7, 0
        if kind == _VARINT:
            _, at = _number(data, at, end)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        elif kind == _BYTES:
            size, at = _number(data, at, end)
            if at + size <= end:
                yield tag >> 3, at, at + size
        elif kind not in _GROUPS:
            return
        at += size


def _number(data: mmap, at: int, end: int) -> tuple[int, int]:
    """Read a number of variable length; give it and where it ends, beyond `end` if it is cut."""
    found = 0
    for place, part in enumerate(data[at : min(at + _LONGEST, end)]):
        found |= (part & 0x7F) << 7 * place
        if part < 0x80:
            return found, at + place + 1
    return 0, end + 1
