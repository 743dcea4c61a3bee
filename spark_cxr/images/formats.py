"""What a file is, by its first bytes, and its decoder: in this process, whatever it may cost."""

import struct

from spark_cxr.errors import BadImage
from spark_cxr.images.dicom import is_bare_dataset, read_dicom
from spark_cxr.images.film import DEFAULT_LIMITS, Film, Limits, Size
from spark_cxr.images.npy import read_npy
from spark_cxr.images.quiet import quiet
from spark_cxr.images.raster import read_raster

_READ = (
    ("dicom", 128, b"DICM"),  # first: a preamble may dress up as another format
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("tiff", 0, b"II*\0"),
    ("tiff", 0, b"MM\0*"),
    ("tiff", 0, b"II+\0"),
    ("tiff", 0, b"MM\0+"),
    ("webp", 8, b"WEBP"),
    ("npy", 0, b"\x93NUMPY"),
)
_NOT_READ = (
    ("a GIF", 0, b"GIF8"),
    ("a JPEG 2000 file", 0, b"\0\0\0\x0cjP  "),
    ("a JPEG 2000 codestream", 0, b"\xff\x4f\xff\x51"),
    ("an AVIF or HEIF", 4, b"ftyp"),
    ("a JPEG XL", 0, b"\0\0\0\x0cJXL "),
    ("a Photoshop file", 0, b"8BPS"),
    ("an icon", 0, b"\0\0\1\0"),
    ("a PDF", 0, b"%PDF"),
    ("a zip archive", 0, b"PK\3\4"),
    ("gzip", 0, b"\x1f\x8b"),
    ("a NIfTI volume", 344, b"n+1\0"),
    ("markup", 0, b"<"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def sniff(data: bytes) -> str:
    """Name the format by content.

    Raises:
        BadImage: empty or not_an_image, the latter with the format's name where it is known.
    """
    if not data:
        raise BadImage("empty", "0 bytes")
    for name, offset, magic in _READ:
        if data.startswith(magic, offset):
            return name
    # A text may happen to begin with BM, too: the length of the header decides.
    header = struct.unpack_from("<I", data[:18] + bytes(18), 14)[0]
    if data[:2] == b"BM" and header in _BMP_HEADERS:
        return "bmp"
    if is_bare_dataset(data):
        return "dicom"
    for name, offset, magic in _NOT_READ:
        if data.startswith(magic, offset):
            raise BadImage(
                "not_an_image", f"{name}; read are PNG, JPEG, TIFF, BMP, WebP, DICOM, npy"
            )
    raise BadImage("not_an_image", "no known image format begins like this")


def decode_here(
    data: bytes,
    limits: Limits = DEFAULT_LIMITS,
    enough_hw: Size | None = None,
    values_side: int = 0,
) -> Film:
    """Decode one film in this process, whatever its file is called.

    Safe to call from many threads at once.

    Args:
        data: the file.
        limits: what it may cost.
        enough_hw: a size than which the caller needs no more; see `decode`.
        values_side: see `decode`, too.

    Raises:
        BadImage: whenever there is no film in the bytes, and no other exception.
    """
    name = sniff(data)
    try:
        with quiet():
            if name == "dicom":
                return read_dicom(data, limits, enough_hw, values_side)
            if name == "npy":
                return read_npy(data, limits)
            return read_raster(name, data, limits, values_side)
    except MemoryError:
        raise BadImage("out_of_memory", f"{name}, {len(data)} bytes") from None
