"""Grey levels → PNG and JPEG files whose bytes are the same wherever they are made."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.images.png import png_file
from spark_cxr.phantoms.lettering import Grey

_BLOCK = 65_535


def to_8_bits(grey12: Grey) -> NDArray[np.uint8]:
    """Drop the four lowest of twelve bits."""
    return (grey12 >> 4).astype(np.uint8)


def encode_png(grey12: Grey, bits: int) -> bytes:
    """Write an 8 or 16-bit grey PNG."""
    levels = to_8_bits(grey12) if bits == 8 else ((grey12 << 4) | (grey12 >> 8)).astype(">u2")
    return png_file(zlib_stored(png_rows(levels)), (levels.shape[0], levels.shape[1]), bits)


def encode_mask(lungs: NDArray[np.bool_]) -> bytes:
    """Write a lung mask as an 8-bit grey PNG: 255 in the lungs, 0 elsewhere."""
    rows = png_rows(lungs * np.uint8(255))
    return png_file(zlib_stored(rows), (lungs.shape[0], lungs.shape[1]), 8)


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Write a baseline grey JPEG; libjpeg's default integer DCT and tables are exact."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=92, optimize=False, progressive=False)
    return file.getvalue()


def png_rows(levels: NDArray[np.generic]) -> bytes:
    """Lay out pixels as PNG wants them: each row after a byte that says "no filter"."""
    octets = np.ascontiguousarray(levels).view(np.uint8).reshape(levels.shape[0], -1)
    return np.pad(octets, ((0, 0), (1, 0))).tobytes()


def zlib_stored(raw: bytes) -> bytes:
    """Wrap bytes as a zlib stream of stored blocks.

    Nothing is compressed: zlib, zlib-ng and their versions each compress to other bytes.
    """
    starts = range(0, max(1, len(raw)), _BLOCK)
    blocks = [raw[start : start + _BLOCK] for start in starts]
    parts = [b"\x78\x01"]
    for number, block in enumerate(blocks, start=1):
        size = len(block)
        parts += [struct.pack("<BHH", number == len(blocks), size, size ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack(">I", zlib.adler32(raw))])
