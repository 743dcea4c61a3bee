"""The records that decoding passes on: one film, and the limits it had to respect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Grey (height, width) or colour (height, width, 3), 8 bits a sample."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost before it is refused."""

    max_pixels: int = 100_000_000
    """A 43 x 43 cm film at 50 µm has 74 million pixels; more than this is a bomb or a mistake."""
    min_side: int = 32
    """Below 32 pixels no lung field can be told from another."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Film:
    """One decoded image and what its file said about it."""

    pixels: Pixels
    format: str
    """One of png, jpeg, tiff, bmp, webp, dicom: what the bytes are, whatever the file is called."""
    bits: int
    """Bits a sample in the file; `pixels` always has 8."""
    patient_id: str | None = None
    """As the file has it: must not leave ingest other than as a keyed pseudonym."""
    view: str | None = None
    """PA, AP or lateral, where the file says so."""
    flags: tuple[str, ...] = ()
    """Things a reader should know, each from `FLAGS`."""


FLAGS = {
    "lateral": "a lateral view: the networks here are made for frontal films",
    "burned_in": "the file says that annotations are burned into the pixels",
    "for_processing": "a raw detector image, not one made for reading",
    "window_ignored": "the file's display window makes no sense: the whole range is shown instead",
    "other_modality": "not computed or digital radiography (CR, DX, RG)",
}
