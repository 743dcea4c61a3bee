"""Grey levels → PNG, JPEG and DICOM files whose bytes are the same wherever they are made.

DICOM is written element by element and not with pydicom: no version of it can change a byte,
phantoms need no extra, and what reads them in the tests is not what wrote them. Explicit VR little
endian throughout (PS3.5 §7).
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spark_cxr.images.demographics import Demographics
from spark_cxr.images.raster import png_file
from spark_cxr.phantoms.drawing import Drawing, Grey

_BLOCK = 65_535
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4.50"
SYNTAXES = (EXPLICIT, RLE, JPEG)
PHOTOMETRICS = ("MONOCHROME2", "MONOCHROME1")
Value = str | int | bytes
Elements = dict[int, tuple[str, Value]]
"""Tag → value representation and value: a DICOM data set."""
_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_PIXEL_DATA = 0x7FE00010
_LONG = ("OB", "OW")
_WHOLE = {"US": "<H", "SS": "<h", "UL": "<I"}
_LOWEST, _SPAN = 300, 3300
"""Stored values fill a part of their 12 bits, as detectors do: only the window makes them right."""


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


@dataclass(frozen=True)
class Owner:
    """Whose film a file says that it is."""

    patient_id: str
    film: int
    demographics: Demographics | None = None


def encode_dicom(drawing: Drawing, owner: Owner, photometric: str, syntax: str) -> bytes:
    """Write a film in one of `SYNTAXES`; both photometrics look alike once they are decoded."""
    stored = store(drawing, photometric, syntax)
    elements = film_elements(drawing, owner, photometric, 8 if syntax == JPEG else 12)
    return dicom_file(elements | {_PIXEL_DATA: ("OW", pack(stored, syntax))}, syntax)


def store(drawing: Drawing, photometric: str, syntax: str) -> NDArray[np.generic]:
    """Return stored values: 8 bits for JPEG, 12 in 16 otherwise; MONOCHROME1 upside down."""
    if syntax == JPEG:
        octets = to_8_bits(drawing.grey12)
        return 255 - octets if photometric == "MONOCHROME1" else octets
    levels = drawing.grey12.astype(np.int32) * _SPAN // 4095 + _LOWEST
    return (4095 - levels if photometric == "MONOCHROME1" else levels).astype("<u2")


def film_elements(drawing: Drawing, owner: Owner, photometric: str, bits: int) -> Elements:
    """Return everything about a film but its pixels."""
    return _identity(drawing, owner) | _image(drawing, photometric, bits)


def pack(stored: NDArray[np.generic], syntax: str) -> bytes:
    """Encode stored values as the value of Pixel Data in this transfer syntax."""
    if syntax == EXPLICIT:
        return stored.tobytes()
    return encapsulate(_rle(stored) if syntax == RLE else encode_jpeg(stored.astype(np.uint8)))


def encapsulate(frame: bytes) -> bytes:
    """Wrap one compressed frame: empty offset table, one fragment, delimiter (PS3.5 §A.4)."""
    frame += b"\x00" * (len(frame) % 2)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame)) + frame
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0) + item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def dicom_file(elements: Elements, syntax: str) -> bytes:
    """Write a Part 10 file: preamble, meta group with a fixed implementation, data set."""
    meta: Elements = {
        0x00020001: ("OB", b"\x00\x01"),
        0x00020002: ("UI", elements[0x00080016][1]),
        0x00020003: ("UI", elements[0x00080018][1]),
        0x00020010: ("UI", syntax),
        0x00020012: ("UI", _uid("spark_cxr phantoms")),
        0x00020013: ("SH", "SPARK_CXR_PHANTM"),
    }
    group = b"".join(_element(tag, *meta[tag], syntax) for tag in sorted(meta))
    length = _element(0x00020000, "UL", len(group), syntax)
    body = b"".join(_element(tag, *elements[tag], syntax) for tag in sorted(elements))
    return b"\x00" * 128 + b"DICM" + length + group + body


def _identity(drawing: Drawing, owner: Owner) -> Elements:
    """Return who, when and how; the identifiers follow from the patient and the pixels."""
    pixels = hashlib.sha256(drawing.grey12.astype("<u2").tobytes()).hexdigest()
    return {
        0x00080008: ("CS", "DERIVED\\PRIMARY"),
        0x00080016: ("UI", _DX_FOR_PRESENTATION),
        0x00080018: ("UI", _uid(f"{owner.patient_id}/{owner.film}/{pixels}")),
        0x00080020: ("DA", "20000101"),
        0x00080060: ("CS", "DX"),
        0x00080068: ("CS", "FOR PRESENTATION"),
        0x00080070: ("LO", "spark_cxr PHANTOM"),
        0x00100010: ("PN", f"PHANTOM^{owner.patient_id}"),
        0x00100020: ("LO", owner.patient_id),
        0x00100030: ("DA", ""),
        0x00100040: ("CS", "O"),
        0x00180015: ("CS", "CHEST"),
        0x00185101: ("CS", drawing.view),
        0x0020000D: ("UI", _uid(f"study {owner.patient_id}")),
        0x0020000E: ("UI", _uid(f"series {owner.patient_id}")),
        0x00200011: ("IS", "1"),
        0x00200013: ("IS", str(owner.film)),
        0x00200020: ("CS", "L\\F"),
    } | _demographics(owner.demographics)


def _demographics(person: Demographics | None) -> Elements:
    """Return who was filmed and with what, in the place of nobody and of these phantoms."""
    if person is None:
        return {}
    return {
        0x00080070: ("LO", person.maker or ""),
        0x00081090: ("LO", person.device or ""),
        0x00100040: ("CS", person.sex or "O"),
        0x00101010: ("AS", "" if person.age is None else f"{person.age:03d}Y"),
    }


def _image(drawing: Drawing, photometric: str, bits: int) -> Elements:
    """Return how stored values become grey: size, depth, window, which end is bright."""
    low, span = (_LOWEST, _SPAN) if bits == 12 else (0, 255)
    if photometric == "MONOCHROME1":
        low = (1 << bits) - 1 - low - span
    return {
        0x00280002: ("US", 1),
        0x00280004: ("CS", photometric),
        0x00280010: ("US", drawing.grey12.shape[0]),
        0x00280011: ("US", drawing.grey12.shape[1]),
        0x00280100: ("US", 16 if bits == 12 else 8),
        0x00280101: ("US", bits),
        0x00280102: ("US", bits - 1),
        0x00280103: ("US", 0),
        # The word PHANTOM is no annotation about a patient.
        0x00280301: ("CS", "NO"),
        0x00281040: ("CS", "LOG"),
        0x00281041: ("SS", 1 if photometric == "MONOCHROME1" else -1),
        # A linear window maps c - 0.5 -+ (w - 1) / 2 to black and white (PS3.3 §C.11.2.1.2).
        0x00281050: ("DS", f"{low + span / 2 + 0.5:.1f}"),
        0x00281051: ("DS", str(span + 1)),
        0x00281052: ("DS", "0"),
        0x00281053: ("DS", "1"),
        0x00281054: ("LO", "US"),
        0x00282110: ("CS", "00" if bits == 12 else "01"),
        0x20500020: ("CS", "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"),
    }


def _element(tag: int, vr: str, value: Value, syntax: str) -> bytes:
    """Write one element; compressed pixel data is of undefined length."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if tag == _PIXEL_DATA and syntax != EXPLICIT and isinstance(value, bytes):
        return head + b"OB\x00\x00\xff\xff\xff\xff" + value
    if isinstance(value, int):
        body = struct.pack(_WHOLE[vr], value)
    else:
        body = value if isinstance(value, bytes) else value.encode("ascii")
        body += (b"\x00" if vr in ("UI", *_LONG) else b" ") * (len(body) % 2)
    size = struct.pack("<HI", 0, len(body)) if vr in _LONG else struct.pack("<H", len(body))
    return head + vr.encode("ascii") + size + body


def _uid(key: str) -> str:
    """Derive a UID of the kind that needs no registered root (PS3.5 §B.2)."""
    return f"2.25.{int(hashlib.sha256(key.encode()).hexdigest()[:32], 16)}"


def _rle(stored: NDArray[np.generic]) -> bytes:
    """Compress 16-bit values as RLE Lossless: high bytes, then low bytes (PS3.5 §G)."""
    octets = np.ascontiguousarray(stored).view(np.uint8).reshape(*stored.shape, 2)
    high, low = _packed_bits(octets[..., 1]), _packed_bits(octets[..., 0])
    return struct.pack("<16I", 2, 64, 64 + len(high), *[0] * 13) + high + low


def _packed_bits(plane: NDArray[np.uint8]) -> bytes:
    """Write each row as runs of up to 16: a run of equal bytes as one, others as they are."""
    height, width = plane.shape
    runs = -(-width // 16)
    padded = np.pad(plane, ((0, 0), (0, runs * 16 - width)), mode="edge")
    octets = padded.reshape(height, runs, 16)
    sizes = np.minimum(16, width - 16 * np.arange(runs))
    is_there = np.arange(16) < sizes[:, None]
    is_even = ((octets == octets[..., :1]) | ~is_there).all(axis=-1) & (sizes > 1)
    heads = np.where(is_even, 257 - sizes, sizes - 1).astype(np.uint8)
    is_kept = is_there & (~is_even[..., None] | (np.arange(16) == 0))
    packed = np.concatenate([heads[..., None], octets], axis=-1)
    kept = np.concatenate([np.ones_like(is_even)[..., None], is_kept], axis=-1)
    body: bytes = packed[kept].tobytes()
    return body + b"\x00" * (len(body) % 2)
