"""Whether a compressed picture is what its header says, and all there.

The decoders believe the codestream, and somebody who wishes harm lets DICOM's header say something
else: comparing the two keeps a frame of 40 bytes from asking for gigabytes. They also make a film
of what has no data: a picture is complete if each of its parts has some.
"""

from __future__ import annotations

import struct

import simplejpeg

from spark_cxr.errors import BadImage
from spark_cxr.images.film import DAMAGED, Pixels
from spark_cxr.images.harmless import jpeg_frame, jpeg_segments

_J2K_START = b"\xff\x4f\xff\x51"
_TILE, _DATA, _END = 0xFF90, 0xFF93, b"\xff\xd9"
_MOST_TILES = 2**16
_SCAN, _TABLES, _GAP = b"\xff\xda", 0xC4, 16
_COLOURS = {"Gray": "GRAY", "YCbCr": "RGB"}
"""What Pillow makes of JPEG's colours, too; CMYK and others are left to it."""
_CONTRADICTION, _INCOMPLETE = "Corrupt JPEG data", "premature end"
"""In what libjpeg complains of, as its messages have it."""


def whole_jpeg(data: bytes) -> tuple[Pixels | None, str]:
    """Decode a grey or YCbCr JPEG in which all is right; else give what the decoder complains of.

    An empty complaint without pixels is a JPEG of another kind.
    """
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        if colours not in _COLOURS:
            return None, ""
        pixels = simplejpeg.decode_jpeg(data, colorspace=_COLOURS[colours])
    except ValueError as error:
        return None, str(error)
    return (pixels[..., 0] if colours == "Gray" else pixels), ""


def has_gap(data: bytes, pixels: Pixels) -> bool:
    """Say whether a JPEG's data have a hole of zeros that its picture does not explain.

    Zeros may be the code of a flat part, and then there are flat blocks to see. Of 15,979 films of
    public sets none has so many zeros in a row; a block of a disk that was lost has more.
    """
    if data.find(bytes(_GAP), max(0, data.rfind(_SCAN))) < 0:
        return False
    if not _codes_flatness_as_zeros(data):
        return True
    height, width = pixels.shape[0] // 8 * 8, pixels.shape[1] // 8 * 8
    blocks = pixels[:height, :width].reshape(height // 8, 8, width // 8, 8, -1)
    flat = blocks.max(axis=(1, 3)) == blocks.min(axis=(1, 3))
    return int(flat.all(axis=-1).sum()) < _GAP


def _codes_flatness_as_zeros(data: bytes) -> bool:
    """Say whether the first code of a table, zeros alone, means "no more in this block".

    So it may be in tables that were made for one picture; in JPEG's own it means something else.
    """
    for marker, at in jpeg_segments(data):
        place, end = at + 4, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        while marker == _TABLES and place + 17 < end:
            is_for_blocks, counts = data[place] >> 4, data[place + 1 : place + 17]
            if is_for_blocks and data[place + 17] == 0:
                return True
            place += 17 + sum(counts)
    return False


def flags_of(complaint: str) -> tuple[str, ...]:
    """Say by a decoder's complaint whether a JPEG is damaged.

    Raises:
        BadImage: truncated: what is missing of the picture is missing in the file.
    """
    if _INCOMPLETE in complaint:
        raise BadImage("truncated", "jpeg: its data end before its picture does")
    return (DAMAGED,) if complaint.startswith(_CONTRADICTION) else ()


def check_frame(frame: bytes, shape: tuple[int, int, int]) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame that is not of this shape, or not all there.

    Args:
        frame: one frame, without what DICOM puts around it.
        shape: height, width and samples a pixel, as DICOM's header has them.

    Raises:
        BadImage: corrupt or truncated.
    """
    is_jpeg = frame[:2] == b"\xff\xd8"
    # A JP2 wrapper, forbidden in DICOM and yet met, is short.
    start = 0 if is_jpeg else frame.find(_J2K_START, 0, 1024)
    shape_of = jpeg_frame if is_jpeg else _j2k_shape
    try:
        found = shape_of(frame[start:]) if start >= 0 else None
    except struct.error:
        found = None
    if found is None:
        raise BadImage("corrupt", "dicom: the compressed frame does not say its size")
    if found != shape:
        raise BadImage("corrupt", "dicom: the compressed frame and Rows x Columns differ in size")
    if not is_jpeg and not _has_all_tiles(frame[start:]):
        raise BadImage("truncated", "dicom: the compressed frame lacks a part of its picture")


def _j2k_shape(stream: bytes) -> tuple[int, int, int] | None:
    """Read the SIZ segment; subsampled components give None, no film has them."""
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    (components,) = struct.unpack_from(">H", stream, 40)
    steps = stream[42 : 42 + 3 * components]
    if any(step != 1 for i, step in enumerate(steps) if i % 3):
        return None
    return bottom - top, right - left, components


def _has_all_tiles(stream: bytes) -> bool:
    """Walk the tile-parts: each tile must have data, and each part the length that it says."""
    right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", stream, 8)
    if not width or not height:
        return False
    tiles = -(-(right - left) // width) * -(-(bottom - top) // height)
    at, filled = 2, set[int]()
    try:
        while True:
            marker, length = struct.unpack_from(">HH", stream, at)
            if marker == _TILE:
                tile, part = struct.unpack_from(">HI", stream, at + 4)
                end = at + part if part else len(stream)  # 0: it reaches to the end
                data = stream.find(_DATA.to_bytes(2, "big"), at, min(end, at + 2**16))
                if end > len(stream) or data < 0:
                    return False
                if stream[data + 2 : end].rstrip(b"\0").removesuffix(_END):
                    filled.add(tile)
                at = end
            elif stream[at : at + 2] == _END:
                break
            else:
                at += 2 + length
    except struct.error:  # without the end marker that it should have
        pass
    return len(filled) == int(tiles) <= _MOST_TILES
