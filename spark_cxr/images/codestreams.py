"""Whether a compressed picture is what its header says, and all there.

The decoders believe the codestream, and somebody who wishes harm lets DICOM's header say something
else: comparing the two keeps a frame of 40 bytes from asking for gigabytes. They also make a film
of what has no data: a picture is complete if each of its parts has some.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import simplejpeg

from spark_cxr.errors import BadImage
from spark_cxr.images.film import DAMAGED, Pixels, Samples
from spark_cxr.images.harmless import JPEG_LS, jpeg_frame, jpeg_frame_header, jpeg_segments

_J2K_START = b"\xff\x4f\xff\x51"
_CODING, _COMPONENT_CODING = 0xFF52, 0xFF53
_REVERSIBLE = 1
_TILE, _DATA, _END = 0xFF90, 0xFF93, b"\xff\xd9"
_SIGNED = 0x80
_MOST_TILES = 2**16
_LONGEST_HEADER = 2**16
_SCAN, _TABLES, _GAP = b"\xff\xda", 0xC4, 16
_COLOURS = {"Gray": "GRAY", "YCbCr": "RGB"}
"""What Pillow makes of JPEG's colours, too; CMYK and others are left to it."""
_CONTRADICTION, _INCOMPLETE = "Corrupt JPEG data", "premature end"
"""In what libjpeg complains of, as its messages have it."""
_LOSSLESS = 0xC3
_TRAILER, _TAIL, _LEAST_TAIL = 1024, 64, 8
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


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


@dataclass(frozen=True)
class FrameHeader:
    """What a compressed frame says of itself."""

    shape: tuple[int, int, int]
    """Height, width and samples a pixel."""
    bits: int
    """Of a sample."""
    is_signed: bool = False
    start: int = 0
    """Where the codestream begins: some put the header of a JP2 file before it."""
    halvings: int = 0
    """How often its resolution may be halved."""
    is_reversible: bool = False
    """Whether its wavelets lose nothing: no value runs over the range of its bits."""


def check_frame(frame: bytes, shape: tuple[int, int, int]) -> FrameHeader:
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
    try:
        found = (
            (_jpeg_header(frame) if is_jpeg else _j2k_header(frame, start)) if start >= 0 else None
        )
    except (struct.error, IndexError):
        found = None
    if found is None:
        raise BadImage("corrupt", "dicom: the compressed frame does not say its size")
    if found.shape != shape:
        raise BadImage("corrupt", "dicom: the compressed frame and Rows x Columns differ in size")
    if not (_has_end(frame, found) if is_jpeg else _has_all_tiles(frame[start:])):
        raise BadImage("truncated", "dicom: the compressed frame lacks a part of its picture")
    return found


def _jpeg_header(frame: bytes) -> FrameHeader | None:
    shape, at = jpeg_frame(frame), jpeg_frame_header(frame)
    return FrameHeader(shape, frame[at + 4]) if shape and at is not None else None


def _has_end(frame: bytes, header: FrameHeader) -> bool:
    """Look for the end marker of a JPEG whose decoder would not miss it, or wait for it for ever.

    CharLS does the latter. For a baseline JPEG libjpeg says itself what is missing.
    """
    at = jpeg_frame_header(frame)
    is_baseline = header.bits == 8 and at is not None and frame[at + 1] not in (_LOSSLESS, JPEG_LS)
    return is_baseline or _END in frame[-_TRAILER:]


def _j2k_header(frame: bytes, start: int) -> FrameHeader | None:
    """Read the SIZ segment; subsampled components give None, no film has them."""
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    (components,) = struct.unpack_from(">H", frame, start + 40)
    about = frame[start + 42 : start + 42 + 3 * components]
    if any(step != 1 for i, step in enumerate(about) if i % 3):
        return None
    halvings, is_reversible = _coding(frame, start)
    return FrameHeader(
        shape=(bottom - top, right - left, components),
        bits=(about[0] & ~_SIGNED) + 1,
        is_signed=bool(about[0] & _SIGNED),
        start=start,
        # From another origin than 0 halves are of other sizes.
        halvings=0 if left or top else halvings,
        is_reversible=is_reversible,
    )


def _coding(frame: bytes, start: int) -> tuple[int, bool]:
    """Read from the main header how often a picture was halved, and whether without loss."""
    at, found = start + 2, (0, False)
    while at < start + _LONGEST_HEADER:
        marker, length = struct.unpack_from(">HH", frame, at)
        if marker == _CODING:
            found = frame[at + 9], frame[at + 13] == _REVERSIBLE
        if marker in (_TILE, _COMPONENT_CODING):
            return found if marker == _TILE else (0, found[1])
        at += 2 + length
    return 0, False


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
                is_whole = end <= len(stream) if part else stream.rstrip(b"\0").endswith(_END)
                if not is_whole or data < 0:
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


def jpeg_colours(frame: bytes, photometric: str) -> str:
    """Say what the three components of a JPEG or JPEG-LS are, where it contradicts its header."""
    at = jpeg_frame_header(frame)
    if at is not None and frame[at + 10 : at + 19 : 3].upper() == b"RGB":
        return "RGB"  # as the names of its components
    is_jfif = any(frame[place + 4 : place + 8] == b"JFIF" for _, place in jpeg_segments(frame))
    return "YBR_FULL" if is_jfif and "YBR" not in photometric else photometric


def check_end(frame: bytes, samples: Samples) -> None:
    """Refuse a grey JPEG, lossless or of 12 bits, whose data end before its picture does.

    libjpeg fills the rest in, and its complaint is not passed on for such frames. Less than a row
    of samples, or of blocks, goes unnoticed.

    Raises:
        BadImage: truncated.
    """
    if _looks_filled(frame, samples) and not _repeats(frame[: frame.rfind(_END)], samples):
        raise BadImage("truncated", "dicom: the frame's data end before its picture does")


def _looks_filled(frame: bytes, samples: Samples) -> bool:
    """Say whether the last row, of blocks where there are some, is the middle grey of no data."""
    header = jpeg_frame_header(frame)
    if header is None:
        return False
    step = 1 if frame[header + 1] == _LOSSLESS else 8
    last = samples[(len(samples) - 1) // step * step :]
    return bool((last == 1 << (frame[header + 4] - 1)).all())


def _repeats(data: bytes, samples: Samples) -> bool:
    """Say whether data end as those of an even row do: the same bits again and again."""
    least = samples.shape[1] // 32  # bytes of a row: of lossless samples it has four times as many
    tail = data[-2 - min(_TAIL, max(0, least - 3)) : -2]  # the last bytes are filled up with ones
    if len(tail) < _LEAST_TAIL or _RESTART.search(tail):
        return True
    return any(tail[step:] == tail[:-step] for step in range(1, len(tail) - 3))
