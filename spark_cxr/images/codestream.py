"""What a compressed DICOM frame says about its own size.

The decoders believe the codestream, DICOM's header says something else where somebody wishes
harm: comparing the two first keeps a 40-byte frame from asking for gigabytes.
"""

import struct

_J2K_START = b"\xff\x4f\xff\x51"
_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)
"""Huffman tables, a reserved code and arithmetic conditioning lie among JPEG's frame markers."""
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_SCAN = 0xDA


def frame_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Read height, width, components of a JPEG, JPEG-LS or JPEG 2000 frame; None where unsaid."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg_shape(frame)
    # A JP2 wrapper, forbidden in DICOM and yet met, is short.
    start = frame.find(_J2K_START, 0, 1024)
    return _j2k_shape(frame[start:]) if start >= 0 else None


def _jpeg_shape(frame: bytes) -> tuple[int, int, int] | None:
    """Walk the marker segments to the frame header, JPEG's SOFn or JPEG-LS's SOF55."""
    at = 2
    while at + 9 < len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if (0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME) or marker == 0xF7:
            height, width, components = struct.unpack_from(">HHB", frame, at + 5)
            return height, width, components
        if marker == _SCAN:
            return None
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    return None


def _j2k_shape(stream: bytes) -> tuple[int, int, int] | None:
    """Read the SIZ segment; subsampled components give None, no film has them."""
    if len(stream) < 42:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    (components,) = struct.unpack_from(">H", stream, 40)
    steps = stream[42 : 42 + 3 * components]
    if any(step != 1 for i, step in enumerate(steps) if i % 3):
        return None
    return bottom - top, right - left, components
