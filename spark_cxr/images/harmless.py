"""What a file promises to cost, read from its header: what is plainly harmless is decoded at once.

The promise of a header is no more than that. What a decoder then does in this process is bounded by
what the file is: no more pixels than fit into `_MOST`, no more segments, chunks, tags or scans than
films have. Whatever is not known here to be bounded is decoded in a child process.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from math import prod

_MOST = 2**26
"""Bytes of pixels, and of the file: a film of 4,000 x 4,000 pixels of 16 bits is half of that."""
_MOST_WEBP = 2**24
"""WebP's decoder holds several copies of the picture."""
_HEADER = 2**16
"""Bytes beside the pixels: profiles, texts, notes. Each may be inflated, to a thousand times it."""
_MOST_CHUNKS = 4096
_MOST_SEGMENTS = 64
_MOST_SCANNED = 2**27
"""Bytes of pixels, times scans: a progressive JPEG has about 10, each over the whole picture."""
_MOST_TAGS = 64
_SCAN_MARKER = b"\xff\xda"
_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)
"""Huffman tables, a reserved code and arithmetic conditioning lie among JPEG's frame markers."""
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_ARITHMETIC = {0xC3, *range(0xC5, 0xD0)} - {0xC8, 0xCC}
"""Frames of other kinds than baseline, extended and progressive Huffman coding."""
JPEG_LS = 0xF7
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_IMPLICIT, _EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"
_SYNTAX, _ITEM = b"\2\0\x10\0", b"\xfe\xff\0\xe0"
_LONG_VRS = (
    b"OB",
    b"OD",
    b"OF",
    b"OL",
    b"OV",
    b"OW",
    b"SQ",
    b"SV",
    b"UC",
    b"UN",
    b"UR",
    b"UT",
    b"UV",
)
_UNDEFINED = 0xFFFFFFFF
_MOST_ELEMENTS = 2000
_ROWS, _COLUMNS = b"\x28\0\x10\0", b"\x28\0\x11\0"
_PIXELS = b"\xe0\x7f\x10\0"
_TIFF_PLAIN = (1, 5, 8, 32773, 32946)
"""None, LZW, Deflate, PackBits and the older Deflate; JPEG is none of them."""
_TIFF_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
"""Bytes of a value, by its type."""


def is_plain(name: str, data: bytes) -> bool:
    """Say whether decoding a file of the named format is sure to cost little."""
    try:
        return len(data) <= _MOST + _HEADER and _PLAIN[name](data)
    except (struct.error, IndexError, KeyError):  # it ends within its header
        return False


def promised_bytes(name: str, data: bytes) -> int | None:
    """Say how many bytes of pixels a header promises; None where it is not read here."""
    try:
        return _PROMISES[name](data)
    except (struct.error, IndexError, KeyError):
        return None


def jpeg_frame(data: bytes) -> tuple[int, int, int] | None:
    """Read height, width and components of a JPEG or JPEG-LS; None where none comes before data."""
    at = jpeg_frame_header(data)
    if at is None:
        return None
    height, width, components = struct.unpack_from(">HHB", data, at + 5)
    return height, width, components


def jpeg_frame_header(data: bytes) -> int | None:
    """Find the marker of the frame header of a JPEG or JPEG-LS."""
    for marker, at in jpeg_segments(data):
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME) or marker == JPEG_LS:
            return at
    return None


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Walk the segments of a JPEG up to its first scan: the marker of each, and its place."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        yield marker, at
        if marker == _SCAN_MARKER[1]:
            return
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))


def webp_canvas(data: bytes) -> tuple[int, int, int] | None:
    """Read the height, width and flags of a WebP's first chunk; None for an unknown one."""
    kind = data[12:16]
    if kind == b"VP8X":
        flags, width, height = struct.unpack("<B3x3s3s", data[20:30])
        return int.from_bytes(height, "little") + 1, int.from_bytes(width, "little") + 1, flags
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return height & 0x3FFF, width & 0x3FFF, 0
    if kind == b"VP8L":
        word = int.from_bytes(data[21:25], "little")
        return (word >> 14 & 0x3FFF) + 1, (word & 0x3FFF) + 1, 0
    return None


def _png_bytes(data: bytes) -> int:
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    return int(height * width * _PNG_CHANNELS[kind] * max(8, bits) // 8)


def _is_plain_png(data: bytes) -> bool:
    """Few chunks, and little in those that are no pixels."""
    at, beside = 8, 0
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return _png_bytes(data) <= _MOST
        beside += 0 if kind == b"IDAT" else length
        if beside > _HEADER:
            return False
        at += 12 + length
    return False


def _jpeg_bytes(data: bytes) -> int | None:
    frame = jpeg_frame(data)
    return prod(frame) if frame else None


def _is_plain_jpeg(data: bytes) -> bool:
    """Huffman-coded, little before the first scan, and few scans."""
    markers = set[int]()
    for number, (marker, at) in enumerate(jpeg_segments(data)):
        markers.add(marker)
        if number > _MOST_SEGMENTS or at > _HEADER:
            return False
    if _SCAN_MARKER[1] not in markers or markers & _ARITHMETIC:
        return False
    size, scans = _jpeg_bytes(data) or 0, data.count(_SCAN_MARKER)
    return size <= _MOST and size * scans <= _MOST_SCANNED


def _webp_bytes(data: bytes) -> int | None:
    canvas = webp_canvas(data)
    return 4 * canvas[0] * canvas[1] if canvas else None


def _is_plain_webp(data: bytes) -> bool:
    """Small, and nothing beside the picture but transparency."""
    canvas, size = webp_canvas(data), _webp_bytes(data)
    is_bare = canvas is not None and canvas[2] & ~0x10 == 0
    return is_bare and size is not None and max(size, len(data)) <= _MOST_WEBP


def _bmp_bytes(data: bytes) -> int:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    return int(abs(width) * abs(height) * max(8, bits) // 8)


def _is_plain_bmp(data: bytes) -> bool:
    """Uncompressed: the other kind is undone by a loop over bytes."""
    is_old = struct.unpack_from("<I", data, 14)[0] == 12
    return _bmp_bytes(data) <= _MOST and (is_old or struct.unpack_from("<I", data, 30)[0] in (0, 3))


def _tiff_tags(data: bytes) -> dict[int, tuple[int, int]]:
    """Read the first directory: for each tag the bytes of its values, and the first of them.

    Raises:
        KeyError: it is of the large kind, or has more tags than a film.
    """
    order = "<" if data[:2] == b"II" else ">"
    version, at = struct.unpack_from(f"{order}HI", data, 2)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    if version != 42 or count > _MOST_TAGS:
        raise KeyError(version)
    tags = {}
    for each in range(count):
        place = at + 2 + 12 * each
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, place)
        short = struct.unpack_from(f"{order}H", data, place + 8)[0]
        value = short if kind == 3 else struct.unpack_from(f"{order}I", data, place + 8)[0]
        tags[tag] = _TIFF_SIZES[kind] * values, int(value)
    return tags


def _tiff_bytes(data: bytes) -> int:
    """Multiply width, height and samples; where bits do not fit beside the tag they are 16."""
    tags = _tiff_tags(data)
    samples, bits = tags.get(277, (2, 1))[1], tags.get(258, (2, 1))
    wide = 16 if bits[0] > 4 else bits[1]
    return tags[256][1] * tags[257][1] * samples * max(8, wide) // 8


def _is_plain_tiff(data: bytes) -> bool:
    """Few tags with few values, of a compression that is undone strip by strip."""
    tags = _tiff_tags(data)
    is_short = sum(size for size, _ in tags.values()) <= _HEADER
    return is_short and tags.get(259, (2, 1))[1] in _TIFF_PLAIN and _tiff_bytes(data) <= _MOST


def _dicom_bytes(data: bytes) -> int | None:
    """Read the largest Rows and Columns near the beginning; 6 bytes are the most that a pixel has.

    A sequence may have a Rows of its own, for an icon.
    """
    rows, columns = (_largest_word(data, tag) for tag in (_ROWS, _COLUMNS))
    return 6 * rows * columns if rows and columns else None


def _largest_word(data: bytes, tag: bytes) -> int:
    """Find the largest value of a little-endian element of one 16-bit word, whatever its VR."""
    largest, at = 0, data.find(tag, 0, _HEADER)
    while at >= 0:
        if data[at + 4 : at + 8] in (b"US\2\0", b"\2\0\0\0"):
            largest = max(largest, int.from_bytes(data[at + 8 : at + 10], "little"))
        at = data.find(tag, at + 4, _HEADER)
    return largest


def _is_plain_dicom(data: bytes) -> bool:
    """Uncompressed and little-endian, with little beside the pixels, in few elements."""
    at, syntax, is_implicit = 132, b"", False
    if data[128:132] != b"DICM":
        return False
    for _ in range(_MOST_ELEMENTS):
        if syntax == b"" and data[at : at + 2] != b"\2\0":  # the data set begins
            return False
        tag, start, length = _dicom_element(data, at, is_implicit and data[at : at + 2] != b"\2\0")
        if tag == _PIXELS:
            return length != _UNDEFINED and 0 <= len(data) - start - length <= _HEADER
        if tag == _SYNTAX:
            syntax = data[start : start + length].rstrip(b"\0 ")
            is_implicit = syntax == _IMPLICIT
            if syntax not in (_IMPLICIT, _EXPLICIT):
                return False
        # What is nested without a length is walked through like the rest.
        at = start if length == _UNDEFINED or tag == _ITEM else start + length
        if at > _HEADER:
            return False
    return False


def _dicom_element(data: bytes, at: int, is_implicit: bool) -> tuple[bytes, int, int]:
    """Read the tag of a little-endian element, where its value begins, and the value's length."""
    tag = data[at : at + 4]
    if is_implicit or tag[:2] == _ITEM[:2]:
        return tag, at + 8, int(struct.unpack_from("<I", data, at + 4)[0])
    if data[at + 4 : at + 6] in _LONG_VRS:
        return tag, at + 12, int(struct.unpack_from("<I", data, at + 8)[0])
    return tag, at + 8, int(struct.unpack_from("<H", data, at + 6)[0])


_PROMISES: dict[str, Callable[[bytes], int | None]] = {
    "png": _png_bytes,
    "jpeg": _jpeg_bytes,
    "webp": _webp_bytes,
    "bmp": _bmp_bytes,
    "tiff": _tiff_bytes,
    "dicom": _dicom_bytes,
}
_PLAIN: dict[str, Callable[[bytes], bool]] = {
    "png": _is_plain_png,
    "jpeg": _is_plain_jpeg,
    "webp": _is_plain_webp,
    "bmp": _is_plain_bmp,
    "tiff": _is_plain_tiff,
    "dicom": _is_plain_dicom,
    "npy": lambda data: True,  # no more than its bytes, and numbers only
}
