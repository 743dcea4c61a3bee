"""Bytes of a file → `Film`, or `BadImage` with the reason: nothing else ever comes out."""

from spark_cxr.errors import BadImage
from spark_cxr.images.apart import decode_apart
from spark_cxr.images.film import DEFAULT_LIMITS, Film, Limits, Size
from spark_cxr.images.formats import decode_here, sniff
from spark_cxr.images.harmless import is_plain


def decode(
    data: bytes,
    limits: Limits = DEFAULT_LIMITS,
    enough_hw: Size | None = None,
    values_side: int = 0,
) -> Film:
    """Decode one film, whatever its file is called.

    Safe to call from many threads at once. A file that is plainly harmless is decoded in this
    process; for every other one a child process is held to its share of memory and time.

    Args:
        data: The file.
        limits: What it may cost.
        enough_hw: A height and width than which the caller needs no more: JPEG 2000 in DICOM is
            decoded at the lowest resolution that exceeds both. Never for what is to be compared
            with other films pixel by pixel.
        values_side: Pixels of the longer side, at most, of the film in the bits of its file
            (`Film.values`); 0: it is not wanted in more than 8.

    Raises:
        BadImage: whenever there is no film in the bytes, and no other exception.
    """
    read = decode_here if is_plain(sniff(data), data) else decode_apart
    return read(data, limits, enough_hw, values_side)


def is_harmless(data: bytes) -> bool:
    """Say whether a file costs little, by a look that costs nothing: a refusal is cheap, too."""
    try:
        return is_plain(sniff(data), data)
    except BadImage:
        return True
