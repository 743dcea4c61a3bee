"""One compressed DICOM frame → its samples, by imagecodecs; colours stay as they are coded.

libjpeg-turbo, CharLS, OpenJPEG and OpenJPH give the same samples as gdcm in a third to four
fifths of the time. They are no safer: only a child process calls this.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import pairwise
from typing import Any, cast

import numpy as np
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from spark_cxr.images.codestreams import FrameHeader
from spark_cxr.images.film import Samples, Size

RLE = "1.2.840.10008.1.2.5"
_JPEG, _JPEG_LS, _JPEG_2000, _HTJ2K = "jpeg8", "jpegls", "jpeg2k", "htj2k"
_CODECS = {
    RLE: "dicomrle",
    "1.2.840.10008.1.2.4.50": _JPEG,
    "1.2.840.10008.1.2.4.51": _JPEG,
    "1.2.840.10008.1.2.4.57": _JPEG,
    "1.2.840.10008.1.2.4.70": _JPEG,
    "1.2.840.10008.1.2.4.80": _JPEG_LS,
    "1.2.840.10008.1.2.4.81": _JPEG_LS,
    "1.2.840.10008.1.2.4.90": _JPEG_2000,
    "1.2.840.10008.1.2.4.91": _JPEG_2000,
    "1.2.840.10008.1.2.4.201": _HTJ2K,
    "1.2.840.10008.1.2.4.202": _HTJ2K,
    "1.2.840.10008.1.2.4.203": _JPEG_2000,
}
"""Transfer syntax → imagecodecs' name for what decodes it.

OpenJPH is the fastest for HTJ2K, but imagecodecs has values that run over the range come out at its
other end, black as white. Only lossless films have none, so the lossy ones are left to OpenJPEG.
"""
JPEGS = frozenset(syntax for syntax, codec in _CODECS.items() if codec == _JPEG)
JPEG_2000 = frozenset(syntax for syntax, codec in _CODECS.items() if codec in (_JPEG_2000, _HTJ2K))
DECODED = frozenset(_CODECS)
_RLE_HEADER = struct.Struct("<16I")
Decode = Callable[..., Any]


def codec_for(syntax: str, header: FrameHeader) -> Decode | None:
    """Find the function of imagecodecs that decodes a frame; None where it is not installed."""
    name, options = _CODECS[syntax], dict[str, Any]()
    if name == _HTJ2K and not header.is_reversible:  # whatever its syntax says
        name = _JPEG_2000
    if name == _JPEG_2000:
        options["numthreads"] = 1
    if name == _JPEG and header.shape[2] == 3:
        options["colorspace"] = "YCBCR"  # and to the same: the components as they are
    try:
        import imagecodecs
    except ImportError:
        return None
    # Some builds leave codecs out.
    if not getattr(imagecodecs, name.upper()).available:
        return None
    return partial(getattr(imagecodecs, f"{name}_decode"), **options)


def decode_frame(decode: Decode, frame: bytes, header: FrameHeader) -> Samples:
    """Decode a frame other than RLE.

    Raises:
        ValueError: the samples are not of the shape that the frame's header says.
    """
    unseen = list[object]()
    with _unraisable(unseen):
        samples = np.asarray(decode(frame[header.start :]))
    if unseen:  # of OpenJPH, in imagecodecs 2026.3: what follows the error is no picture
        raise ValueError(unseen[0])
    return _checked(samples, header.shape)


@contextmanager
def _unraisable(into: list[object]) -> Iterator[None]:
    """Collect the errors that a library would only print, because nothing in it can raise them."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda error: into.append(error.exc_type)
    try:
        yield
    finally:
        sys.unraisablehook = before


def decode_rle(decode: Decode, frame: bytes, shape: tuple[int, int, int], width: int) -> Samples:
    """Decode an RLE frame to unsigned samples of `width` bytes.

    Raises:
        ValueError: its header does not fit, which the decoder itself would not see.
    """
    count, *offsets = _RLE_HEADER.unpack_from(frame)
    places = [*offsets[:count], len(frame)]
    in_order = all(one < other for one, other in pairwise(places))
    if count != shape[2] * width or places[0] < _RLE_HEADER.size or not in_order:
        raise ValueError(count)
    kind = np.dtype(f"<u{width}")
    planes = np.frombuffer(decode(frame, kind), kind).reshape(shape[2], *shape[:2])
    return planes[0] if shape[2] == 1 else planes.transpose(1, 2, 0)


def decode_reduced(frame: bytes, header: FrameHeader, n: int) -> Samples:
    """Decode a grey JPEG 2000 frame with both sides halved so many times, by Pillow.

    imagecodecs has OpenJPEG, too, but not its lower resolutions. Pillow gives samples without a
    sign that fill 8 or 16 bits from the top.

    Raises:
        ValueError: the samples are not of that shape.
    """
    with _Halved(BytesIO(frame[header.start :])) as image:
        image.halve(n)
        image.load()
        levels = np.asarray(image)
    width = levels.dtype.itemsize
    if width != (1 if header.bits <= 8 else 2) or header.bits > 16:
        raise ValueError(header.bits)
    samples: Samples = levels >> (8 * width - header.bits)
    if header.is_signed:
        samples = (samples.astype(np.int32) - (1 << (header.bits - 1))).astype(f"i{width}")
    height, width = (-(-side // 2**n) for side in header.shape[:2])
    return _checked(samples, (height, width, 1))


def halvings(header: FrameHeader, enough_hw: Size) -> int:
    """Say how often a picture may be halved so that both sides still exceed those given."""
    n = header.halvings
    while n and any(
        -(-side // 2**n) <= enough for side, enough in zip(header.shape, enough_hw, strict=False)
    ):
        n -= 1
    return n


class _Halved(Jpeg2KImageFile):
    """A JPEG 2000 of which Pillow decodes a lower resolution.

    Pillow's own `reduce` rounds sides of half a pixel down where the standard rounds up, and fails.
    """

    def halve(self, n: int) -> None:
        """Ask for both sides halved so many times."""
        width, height = (-(-side // 2**n) for side in self.size)
        self._size, (tile,) = (width, height), self.tile
        codec, _, *source = cast(tuple[Any, ...], tile.args)
        self.tile = [tile._replace(extents=(0, 0, *self.size), args=(codec, n, *source))]


def _checked(samples: Samples, shape: tuple[int, int, int]) -> Samples:
    """Refuse samples of another shape or kind; what a decoder says is not believed."""
    expected = shape[:2] if shape[2] == 1 else shape
    if samples.shape != expected or samples.dtype.kind not in "ui" or samples.dtype.itemsize > 2:
        raise ValueError(samples.shape)
    return samples
