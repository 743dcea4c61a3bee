"""Which files are decoded in a thread of the server, at a glance at their first parts."""

from __future__ import annotations

import struct
from dataclasses import fields, replace
from typing import Any

from spark_cxr.images.film import Limits

_PNG = b"\x89PNG\r\n\x1a\n"
_HELD_AS_IS = 4 << 20
"""Bytes; a DICOM file of this size has no room for anything that takes long."""


def is_harmless(data: bytes, limits: Limits) -> bool:
    """Say of a file whether nothing in it can take longer than its size lets one expect."""
    if data.startswith(_PNG):
        return _is_plain_png(data, limits)
    if data.startswith(b"\xff\xd8"):
        return _is_baseline(data)
    return data[128:132] == b"DICM" and len(data) < _HELD_AS_IS


def _is_plain_png(data: bytes, limits: Limits) -> bool:
    """Say whether pixels come right behind the header, and are no more than a screen's."""
    width, height = struct.unpack_from(">II", data[:24] + bytes(24), 16)
    return data[37:41] == b"IDAT" and width * height <= min(limits.max_pixels, 1 << 24)


def _is_baseline(data: bytes) -> bool:
    """Say whether the frame is a baseline one, with at most a few segments before it."""
    at = 2
    for _ in range(16):
        if len(data) < at + 4 or data[at] != 0xFF:
            return False
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xC0:
            return True
        at += 2 + length
    return False


def within(limits: Limits, seconds: float) -> Limits:
    """Limit the seconds of a decoding further, where its limits know of seconds."""
    known = {each.name: getattr(limits, each.name) for each in fields(limits)}
    if "seconds" not in known:
        return limits
    less: dict[str, Any] = {"seconds": min(known["seconds"], seconds)}
    return replace(limits, **less)
