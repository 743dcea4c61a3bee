"""Files that no reader should take for a film: one way to break one for each reason."""

import struct
from collections.abc import Callable

import numpy as np

from spark_cxr.images.raster import png_file
from spark_cxr.phantoms.drawing import Drawing
from spark_cxr.phantoms.encoding import (
    EXPLICIT,
    JPEG,
    RLE,
    Elements,
    Owner,
    dicom_file,
    encapsulate,
    encode_dicom,
    encode_jpeg,
    encode_png,
    film_elements,
    pack,
    png_rows,
    store,
    to_8_bits,
    zlib_stored,
)

_MPEG4 = "1.2.840.10008.1.2.4.102"
_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
_BOMB_SIDE = 40_000
_TINY_SIDE = 20
_PAGE = b"<!DOCTYPE html>\n<title>403 Forbidden</title>\n<p>The download of this film failed.</p>\n"
"""What a web server says in the place of a film."""


def break_film(reason: str, drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Make a file that is to be set aside for this reason."""
    return _WAYS[reason](drawing, owner, format)


def format_of(reason: str, wanted: str) -> str:
    """Return the format that a broken file pretends to be: some reasons exist in DICOM only."""
    return "dicom" if reason in _DICOM_ONLY else wanted


def _whole(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Write the film as it should be."""
    if format == "png":
        return encode_png(drawing.grey12, 8)
    if format == "jpeg":
        return encode_jpeg(to_8_bits(drawing.grey12))
    return encode_dicom(drawing, owner, "MONOCHROME2", EXPLICIT)


def _truncated(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Stop after three fifths, as a broken connection does."""
    whole = _whole(drawing, owner, format)
    return whole[: len(whole) * 3 // 5]


def _unsupported_transfer_syntax(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Claim to be an MPEG-4 film strip."""
    elements = film_elements(drawing, owner, "MONOCHROME2", 8)
    frame = encapsulate(encode_jpeg(to_8_bits(drawing.grey12)))
    return dicom_file(elements | {0x7FE00010: ("OB", frame)}, _MPEG4)


def _unsupported_photometric(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Hold hue, saturation and value, which DICOM retired."""
    colours = np.repeat(to_8_bits(drawing.grey12)[..., None], 3, axis=-1)
    extra: Elements = {
        0x00280002: ("US", 3),
        0x00280004: ("CS", "HSV"),
        0x00280006: ("US", 0),
        0x7FE00010: ("OB", colours.tobytes()),
    }
    return dicom_file(film_elements(drawing, owner, "MONOCHROME2", 8) | extra, EXPLICIT)


def _no_pixel_data(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Be a presentation state, which archives hand out among the films that it speaks of."""
    elements = film_elements(drawing, owner, "MONOCHROME2", 12)
    about = {tag: element for tag, element in elements.items() if tag < 0x00280000}
    state: Elements = {0x00080016: ("UI", _PRESENTATION_STATE), 0x00080060: ("CS", "PR")}
    return dicom_file(about | state, EXPLICIT)


def _multi_frame(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Hold the same film three times."""
    frames = pack(store(drawing, "MONOCHROME2", EXPLICIT), EXPLICIT) * 3
    extra: Elements = {0x00280008: ("IS", "3"), 0x7FE00010: ("OW", frames)}
    return dicom_file(film_elements(drawing, owner, "MONOCHROME2", 12) | extra, EXPLICIT)


def _too_small(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Be a thumbnail."""
    step = min(drawing.grey12.shape) // _TINY_SIDE
    grey = np.ascontiguousarray(drawing.grey12[::step, ::step][:_TINY_SIDE, :_TINY_SIDE])
    lungs = drawing.lungs[:_TINY_SIDE, :_TINY_SIDE]
    return _whole(Drawing(grey, lungs, drawing.view, drawing.marker), owner, format)


def _too_large(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Be a pixel bomb: a small file that unpacks to gigapixels."""
    if format == "png":
        row_bytes = 1 + _BOMB_SIDE // 8
        return png_file(_deflated_zeros(_BOMB_SIDE * row_bytes), (_BOMB_SIDE, _BOMB_SIDE), 1)
    if format == "jpeg":
        whole = _whole(drawing, owner, format)
        sizes = whole.index(b"\xff\xc0") + 5
        return whole[:sizes] + struct.pack(">HH", _BOMB_SIDE, _BOMB_SIDE) + whole[sizes + 4 :]
    claim: Elements = {0x00280010: ("US", _BOMB_SIDE), 0x00280011: ("US", _BOMB_SIDE)}
    frame: Elements = {0x7FE00010: ("OB", pack(store(drawing, "MONOCHROME2", JPEG), JPEG))}
    return dicom_file(film_elements(drawing, owner, "MONOCHROME2", 8) | claim | frame, JPEG)


def _deflated_zeros(count: int) -> bytes:
    """Compress `count` zeros by hand, with fixed codes: no zlib decides on the bytes.

    One literal, then matches of length 258 (code 285: 11000101) at distance 1 (code 0: 00000),
    then literals (00110000) for the rest and the end of the block (0000000): RFC 1951 §3.2.6.
    """
    matches, rest = divmod(count - 1, 258)
    literal = [0, 0, 1, 1, 0, 0, 0, 0]
    match = np.array([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0], dtype=np.uint8)
    start = np.array([1, 1, 0, *literal], dtype=np.uint8)
    finish = np.array([*literal * rest, *[0] * 7], dtype=np.uint8)
    bits = np.concatenate([start, np.tile(match, matches), finish])
    adler = (count % 65_521) << 16 | 1
    return b"\x78\x01" + np.packbits(bits, bitorder="little").tobytes() + struct.pack(">I", adler)


def _corrupt(drawing: Drawing, owner: Owner, format: str) -> bytes:
    """Contradict the format behind a good header, in a file of full length."""
    if format == "png":
        stream = zlib_stored(png_rows(to_8_bits(drawing.grey12)))
        # The first block's length no longer agrees with its complement.
        wrong = stream[:5] + bytes([stream[5] ^ 0xFF]) + stream[6:]
        return png_file(wrong, (drawing.grey12.shape[0], drawing.grey12.shape[1]), 8)
    if format == "jpeg":
        whole = _whole(drawing, owner, format)
        codes = whole.index(b"\xff\xc4") + 5
        # A Huffman table with 255 codes of each length cannot be.
        return whole[:codes] + b"\xff" * 16 + whole[codes + 16 :]
    packed = pack(store(drawing, "MONOCHROME2", RLE), RLE)
    # 8 bytes of offset table and 8 of item header before the count of segments, which is 2.
    wrong_count = packed[:16] + struct.pack("<I", 9) + packed[20:]
    elements = film_elements(drawing, owner, "MONOCHROME2", 12)
    return dicom_file(elements | {0x7FE00010: ("OB", wrong_count)}, RLE)


_WAYS: dict[str, Callable[[Drawing, Owner, str], bytes]] = {
    "empty": lambda _drawing, _owner, _format: b"",  # as a full disk leaves it
    "truncated": _truncated,
    "not_an_image": lambda _drawing, _owner, _format: _PAGE,
    "unsupported_transfer_syntax": _unsupported_transfer_syntax,
    "unsupported_photometric": _unsupported_photometric,
    "no_pixel_data": _no_pixel_data,
    "multi_frame": _multi_frame,
    "too_small": _too_small,
    "too_large": _too_large,
    "corrupt": _corrupt,
}
_DICOM_ONLY = (
    "unsupported_transfer_syntax",
    "unsupported_photometric",
    "no_pixel_data",
    "multi_frame",
)
KINDS = tuple(_WAYS)
"""The reasons that can be made as files, in the order in which a set uses them."""
