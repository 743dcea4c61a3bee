"""Files of which a decoder makes far more than they are: memory, time, or both. All are drawn."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from tests.images.dicom_writer import compressed, dataset_of, dicom, encapsulated, saved
from tests.images.raster_writer import chunk
from tests.images.raster_writer import saved as written

SIDE = 10_000
SMALL = np.arange(48 * 40, dtype="u2").reshape(48, 40)


def _webp() -> bytes:
    """One colour, lossless, 9,990 x 9,990: some 50 bytes."""
    side = 9_990 - 1
    small = written(Image.new("RGB", (64, 64)), "WEBP", lossless=True)
    at = small.index(b"VP8L") + 9
    word = int.from_bytes(small[at : at + 4], "little") & ~0xFFFFFFF | side << 14 | side
    return small[:at] + word.to_bytes(4, "little") + small[at + 4 :]


def _png(kind: int, channels: int, *more: tuple[bytes, bytes], side: int = SIDE) -> bytes:
    """Every row the same."""
    squeeze = zlib.compressobj(1)
    row = b"\0" + bytes(channels * side)
    pixels = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), *more, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in chunks)


def _png_texts() -> bytes:
    text = (b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))
    return _png(0, 1, *[text] * 60, *[(b"tEXt", b"k\0v")] * 300_000, side=64)


def _tiff_rgba() -> bytes:
    return written(Image.new("RGBA", (SIDE, SIDE)), "TIFF", compression="tiff_deflate")


def _tiff_tags() -> bytes:
    """One tag with five million values."""
    whole = bytearray(written(Image.new("L", (64, 64)), "TIFF"))
    at = int.from_bytes(whole[4:8], "little")
    count = int.from_bytes(whole[at : at + 2], "little")
    entries = bytes(whole[at + 2 : at + 2 + 12 * count])
    more = struct.pack("<HHII", 65000, 5, 2_000_000, len(whole) + 200)
    directory = struct.pack("<H", count + 1) + entries + more + bytes(4)
    whole[4:8] = len(whole).to_bytes(4, "little")
    return bytes(whole) + directory.ljust(200, b"\0") + b"\7\0\0\0" * 4_000_000


def _jpeg(side: int = 64) -> bytes:
    rng = np.random.default_rng(0)
    return written(Image.fromarray(rng.integers(0, 255, (side, side), dtype="u1")), "JPEG")


def _jpeg_segments() -> bytes:
    whole = _jpeg()
    return whole[:2] + b"\xff\xe5\0\2" * 15_000_000 + whole[2:]


def _jpeg_late_segments() -> bytes:
    """Behind the frame header, where a walk to it does not come by."""
    whole = _jpeg()
    at = whole.index(b"\xff\xda")
    return whole[:at] + b"\xff\xe5\0\2" * 3_000_000 + whole[at:]


def _jpeg_scans() -> bytes:
    """A progressive JPEG whose last scan comes a thousand times."""
    noise = Image.effect_noise((3000, 3000), 60)
    whole = written(noise, "JPEG", progressive=True, quality=50)
    last = whole.rindex(b"\xff\xda")
    return (
        whole[:last] + whole[last:-2] * 1000 + whole[-2:]
        if len(whole) < last + 4_000
        else (whole[:-2] + (whole[last : last + 10] + bytes(4)) * 1000 + whole[-2:])
    )


def _exif() -> bytes:
    """A WebP with a million rationals."""
    count = 1_000_000
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x9999, 5, count, 26)
    note = head + bytes(4) + b"\7\0\0\0" * 2 * count
    return written(Image.new("L", (64, 64)), "WEBP", exif=b"Exif\0\0" + note)


def _window() -> bytes:
    dataset = dataset_of(SMALL)
    dataset.PixelData = SMALL.tobytes()
    dataset["PixelData"].VR = "OW"
    with_mark = saved(dataset, ImplicitVRLittleEndian)
    at = with_mark.index(b"\xe0\x7f\x10\0")
    centre = b"1\\" * 8_000_000
    element = struct.pack("<HHI", 0x0028, 0x1050, len(centre)) + centre
    return with_mark[:at] + element + with_mark[at:]


def _deflated() -> bytes:
    whole = dicom(SMALL, DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(whole[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    many = struct.pack("<HH2sH", 0x0009, 0x1001, b"SH", 0) * 100_000
    return whole[:start] + b"".join(squeeze.compress(many) for _ in range(370)) + squeeze.flush()


def _fragments() -> bytes:
    """A frame in half a million fragments."""
    frame = _jpeg()
    whole = encapsulated(frame, SMALL.astype("u1")[:, :40], JPEGBaseline8Bit)
    at = whole.rindex(b"\xfe\xff\xdd\xe0")
    return whole[:at] + b"\xfe\xff\0\xe0\0\0\0\0" * 500_000 + whole[at:]


def _j2k(subsampled: bool, before: bytes = b"", has_data: bool = False) -> bytes:
    """A codestream of 10,000 x 10,000 without data, in a file whose header says the same."""
    small = compressed(dicom(SMALL[:40], BitsStored=12), "JPEG2000Lossless")
    start, end = small.index(b"\xff\x4f\xff\x51"), small.rindex(b"\xff\xd9") + 2
    stream = _enlarged(small[start:end])
    if subsampled:
        stream[43:45] = b"\2\2"
    tile = stream.index(b"\xff\x90")
    if not has_data:
        stream[tile + 6 : tile + 10] = bytes(4)
        data = stream.index(b"\xff\x93") + 2
        stream = stream[:data] + b"\xff\xd9"
    like = np.broadcast_to(np.uint16(0), (SIDE, SIDE))
    return encapsulated(before + bytes(stream), like, JPEG2000Lossless, BitsStored=12)


def _enlarged(codestream: bytes) -> bytearray:
    """Let a small JPEG 2000 say that it is one tile of 10,000 x 10,000."""
    stream = bytearray(codestream)
    stream[8:16] = struct.pack(">2I", SIDE, SIDE)
    stream[24:32] = struct.pack(">2I", SIDE, SIDE)
    return stream


def _htj2k() -> bytes:
    """Nearly empty, and not small enough for the limits of size."""
    import imagecodecs

    stream = _enlarged(imagecodecs.htj2k_encode(SMALL))
    like = np.broadcast_to(np.uint16(0), (SIDE, SIDE))
    return encapsulated(bytes(stream), like, HTJ2KLossless, BitsStored=12)


BOMBS: dict[str, Callable[[], bytes]] = {
    "webp lossless": _webp,
    "png rgba": lambda: _png(6, 4),
    "png rgb": lambda: _png(2, 3),
    "png grey": lambda: _png(0, 1),
    "png grey + alpha": lambda: _png(4, 2),
    "png texts": _png_texts,
    "tiff rgba": _tiff_rgba,
    "tiff tags": _tiff_tags,
    "jpeg segments": _jpeg_segments,
    "jpeg late segments": _jpeg_late_segments,
    "jpeg scans": _jpeg_scans,
    "webp exif": _exif,
    "dicom window": _window,
    "dicom deflated": _deflated,
    "dicom fragments": _fragments,
    "jpeg 2000 empty": lambda: _j2k(False),
    "jpeg 2000 subsampled": lambda: _j2k(True),
    "jpeg 2000 far behind": lambda: _j2k(False, bytes(2048)),
    "htj2k nearly empty": _htj2k,
    "jpeg 2000 nearly empty": lambda: _j2k(False, has_data=True),
}
