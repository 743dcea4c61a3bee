"""One frame in every compressed encoding of DICOM that is read here."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from spark_cxr.phantoms.encoding import pack
from tests.images.dicom_writer import encapsulated

imagecodecs = pytest.importorskip("imagecodecs")
RLE = "1.2.840.10008.1.2.5"
_JPEGS = "1.2.840.10008.1.2.4"
FILM = (
    np.add.outer(np.arange(96) * 20, np.arange(80) * 20)
    + np.random.default_rng(1).integers(0, 300, (96, 80))
).astype("<u2")
"""12 bits."""
FILM_8 = (FILM >> 4).astype("u1")


@dataclass(frozen=True)
class Encoded:
    """A frame, and what it is a frame of."""

    syntax: str
    frame: bytes
    pixels: np.ndarray = field(default_factory=lambda: FILM)
    bits: int = 12
    is_lossless: bool = True

    def dicom(self, frame: bytes | None = None, **tags: Any) -> bytes:
        """Put it, or another frame in its place, into a file."""
        tags = {"BitsStored": self.bits, **tags}
        return encapsulated(
            self.frame if frame is None else frame, self.pixels, self.syntax, **tags
        )


def lossless_jpeg(pixels: np.ndarray, predictor: int = 1, bits: int = 12) -> bytes:
    """Encode a lossless JPEG."""
    frame: bytes = imagecodecs.jpeg8_encode(
        pixels, lossless=True, predictor=predictor, bitspersample=bits
    )
    return frame


def jpeg_2000(pixels: np.ndarray, bits: int = 12, **options: Any) -> bytes:
    """Encode a bare codestream of JPEG 2000, reversibly."""
    frame: bytes = imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="j2k", bitspersample=bits, reversible=True, **options
    )
    return frame


def _rle(pixels: np.ndarray) -> bytes:
    packed = pack(pixels, RLE)
    return packed[16:-8]  # without the items around it


ENCODED = {
    "baseline": Encoded(
        f"{_JPEGS}.50", imagecodecs.jpeg8_encode(FILM_8, level=95), FILM_8, 8, False
    ),
    "extended": Encoded(
        f"{_JPEGS}.51",
        imagecodecs.jpeg8_encode(FILM, level=98, bitspersample=12),
        is_lossless=False,
    ),
    "lossless": Encoded(f"{_JPEGS}.57", lossless_jpeg(FILM, 4)),
    "lossless first order": Encoded(f"{_JPEGS}.70", lossless_jpeg(FILM)),
    "JPEG-LS": Encoded(f"{_JPEGS}.80", imagecodecs.jpegls_encode(FILM)),
    "JPEG-LS near lossless": Encoded(
        f"{_JPEGS}.81", imagecodecs.jpegls_encode(FILM, level=2), is_lossless=False
    ),
    "JPEG 2000": Encoded(f"{_JPEGS}.90", jpeg_2000(FILM)),
    "JPEG 2000 lossy": Encoded(
        f"{_JPEGS}.91",
        imagecodecs.jpeg2k_encode(FILM, level=60, codecformat="j2k", bitspersample=12),
        is_lossless=False,
    ),
    "HTJ2K": Encoded(f"{_JPEGS}.201", imagecodecs.htj2k_encode(FILM, reversible=True)),
    "HTJ2K RPCL": Encoded(
        f"{_JPEGS}.202", imagecodecs.htj2k_encode(FILM, reversible=True, tlm=True, tilepart=1)
    ),
    "HTJ2K lossy": Encoded(
        f"{_JPEGS}.203", imagecodecs.htj2k_encode(FILM, level=0.0005), is_lossless=False
    ),
    "RLE": Encoded(RLE, _rle(FILM)),
}
