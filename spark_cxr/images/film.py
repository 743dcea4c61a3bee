"""The records that decoding passes on: one film, and the limits it had to respect."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage
from spark_cxr.images.demographics import Demographics

Pixels = NDArray[np.uint8]
"""Grey (height, width) or colour (height, width, 3), 8 bits a sample."""
Samples = NDArray[Any]
"""Integers of 8 or 16 bits, signed or not: (rows, columns) or (rows, columns, 3)."""
Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Box:
    """A rectangle in shares of a film's height and width."""

    top: float
    bottom: float
    left: float
    right: float


@dataclass(frozen=True)
class Limits:
    """What a file may cost before it is refused."""

    max_pixels: int = 100_000_000
    """A 43 x 43 cm film at 50 µm has 74 million pixels; more than this is a bomb or a mistake."""
    min_side: int = 32
    """Below 32 pixels lung fields cannot be told apart."""
    seconds: float = 30.0
    """Of a processor, for one file. The largest film takes 20 (JPEG 2000 at 100 million pixels)."""

    @property
    def max_bytes(self) -> int:
        """Say how large an image may be as its decoder holds it: most hold colours in 4 bytes."""
        return 3 * self.max_pixels

    def check(self, height: int, width: int, pixel_bytes: int = 1) -> None:
        """Refuse by the size that a header promises, before any pixel is decoded."""
        size = f"{width} x {height} pixels"
        if height * width > self.max_pixels:
            raise BadImage("too_large", f"{size}; at most {self.max_pixels} are decoded")
        if height * width * pixel_bytes > self.max_bytes:
            detail = f"{size} of {pixel_bytes} bytes; at most {self.max_bytes} bytes are decoded"
            raise BadImage("too_large", detail)
        if min(height, width) < self.min_side:
            raise BadImage("too_small", f"{size}; the shorter side needs {self.min_side}")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Spacing:
    """How far apart the pixels of a film lie, in millimetres, as its file says."""

    down: float
    across: float
    plane: str
    """Where that is so: a key of `PLANES`."""

    @property
    def is_sane(self) -> bool:
        """Tell a spacing of a film from what a broken file may say."""
        least, most = _SPACINGS_MM
        return all(least <= each <= most for each in (self.down, self.across))


_SPACINGS_MM = (0.001, 10.0)
PLANES = {
    "detector": "at the detector; what lies nearer to the tube is smaller than it looks",
    "calibrated": "as the file has corrected it for the body",
    "sheet": "on the sheet that was scanned",
}


@dataclass(frozen=True)
class GreyScale:
    """What the grey values of a film mean; the highest is the brightest."""

    top: int
    """The highest value that there can be; the lowest is 0."""
    black: float
    """Up to which value the file wants black shown."""
    white: float
    """From which on it wants white."""
    first: float = 0.0
    """What the file calls the value 0."""
    step: float = 1.0
    """How much more each further value is for the file; below 0 where it stores bright as low."""
    is_curved: bool = False
    """The file's own curve is in the values: they are no longer those that it stores."""


@dataclass(frozen=True)
class GreyValues:
    """A grey film in the bits of its file, for a screen that sets window and level by itself."""

    values: NDArray[np.uint16]
    scale: GreyScale


@dataclass(frozen=True)
class Film:
    """One decoded image and what its file said about it."""

    pixels: Pixels
    format: str
    """png, jpeg, tiff, bmp, webp, dicom or npy: what the bytes are, whatever the file is called."""
    bits: int
    """Bits a sample in the file; `pixels` always has 8."""
    patient_id: str | None = field(default=None, repr=False)
    """As the file has it: must not leave ingest other than as a keyed pseudonym, nor be printed."""
    view: str | None = None
    """PA, AP or lateral, where the file says so."""
    flags: tuple[str, ...] = ()
    """Things a reader should know, each from `FLAGS`."""
    full_hw: Size | None = None
    """Height and width of the picture in the file, where `pixels` have a lower resolution."""
    demographics: Demographics = field(default_factory=Demographics)
    """Who is on it and what took it, as far as the file says so."""
    spacing: Spacing | None = None
    """Of the pixels in the file."""
    values: GreyValues | None = field(default=None, repr=False)
    """The film in more than 8 bits, where that was asked for and the file has them."""

    @property
    def file_hw(self) -> Size:
        """Give height and width of the picture in the file."""
        return self.full_hw or (self.pixels.shape[0], self.pixels.shape[1])


CHILD = "child"
DAMAGED = "damaged"
REDUCED = "reduced"
FLAGS = {
    "lateral": "a lateral view: the networks here are made for frontal films",
    "burned_in": "the file says that annotations are burned into the pixels",
    "for_processing": "a raw detector image, not one made for reading",
    "window_ignored": "the file's display window makes no sense: the whole range is shown instead",
    DAMAGED: "the file contradicts itself in places: some of the picture may not be the film's",
    REDUCED: "decoded at a lower resolution, still above that of the network (--reduce auto)",
    CHILD: "the patient is under 18: most films that networks learn from are those of adults",
    "other_modality": "not computed or digital radiography (CR, DX, RG)",
}


def to_bytes(shares: NDArray[np.float64]) -> Pixels:
    """Turn shares of the nominal range, 0 to 1, into grey levels 0 to 255, halves rounded up."""
    return np.floor(shares * 255 + 0.5).astype(np.uint8)
