"""Small image files for tests, written by Pillow or, where it cannot, by hand."""

import io
import struct
import zlib
from typing import Any

from PIL import Image


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Write an image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def flat(value: Any, mode: str, side: int = 8) -> Image.Image:
    """Make an image of one colour; 8 x 8 is one block of a JPEG, which keeps it exactly."""
    return Image.new(mode, (side, side), value)


def chunk(kind: bytes, body: bytes) -> bytes:
    """Write one chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    size: tuple[int, int], bits: int, colour: int, row: bytes, *more: tuple[bytes, bytes]
) -> bytes:
    """Write a PNG of any depth with one row of samples; its header may promise more rows."""
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)
