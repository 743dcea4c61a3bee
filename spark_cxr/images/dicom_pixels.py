"""The stored samples of one DICOM frame → the grey levels that they mean.

Grey goes through modality, then VOI, then polarity, then scale. A film has at most 16 bits a
sample, so the whole chain is worked out once for every value that can occur, and the image is one
look-up: exact, and fast whatever the chain contains. pydicom's own steps are not used here: its
`apply_windowing` inverts the picture for a negative slope and its `apply_modality_lut` takes 8 or
16 bits only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage
from spark_cxr.images.film import GreyScale, Pixels, Samples, to_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
_BAND = 2**15
"""Samples that are looked up at a time."""
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_CURVED = 2**16 - 1
"""The highest value where a curve of the file is in the values."""
_FURTHEST = 1e9
"""Values beyond a film's own that the end of a window may lie at."""
Values = NDArray[np.float64]
Grey = TypeVar("Grey", np.uint8, np.uint16)


@dataclass(frozen=True)
class Layout:
    """How the samples of a frame are stored."""

    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    shift: int
    """Bits below the stored ones."""
    is_signed: bool
    photometric: str


def patterns(samples: Samples, layout: Layout) -> Samples:
    """Cut the stored bits out of what was allocated, as unsigned numbers.

    The rest may hold anything, by PS3.5 8.1.1: old files keep overlays there.
    """
    width = samples.dtype.itemsize
    unsigned: Samples = samples.astype(samples.dtype.newbyteorder("="), copy=False).view(
        f"u{width}"
    )
    mask = 2**layout.stored - 1
    if layout.shift == 0 and layout.stored == 8 * width:
        return unsigned
    cut: Samples = (unsigned >> layout.shift) & mask
    return cut


def grey_levels(samples: Samples, layout: Layout, table: NDArray[Grey]) -> NDArray[Grey]:
    """Look up every sample in what `grey_table` or `value_table` gives, a band at a time.

    NumPy makes an index of 8 bytes of each sample: all of them at once do not fit into any cache.
    """
    flat = samples.reshape(-1)
    levels = np.empty(flat.shape, table.dtype)
    for start in range(0, len(flat), _BAND):
        band = patterns(flat[start : start + _BAND], layout)
        # A pattern has no more bits than the table, so nothing is clipped.
        np.take(table, band, out=levels[start : start + _BAND], mode="clip")
    return levels.reshape(samples.shape)


@dataclass(frozen=True)
class Lut:
    """A look-up table of the file."""

    first: int
    """The value that the first entry stands for, as 16 unsigned bits."""
    bits: int
    entries: NDArray[np.uint16]


@dataclass(frozen=True)
class Window:
    """The range of values that the file wants shown."""

    centre: float
    width: float
    function: str


@dataclass(frozen=True)
class Greys:
    """All that decides how the stored values of one file become grey."""

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: Lut | None = None
    voi_lut: Lut | None = None
    window: Window | None = None
    inverted: bool = False
    window_ignored: bool = False


def read_greys(dataset: Dataset) -> Greys:
    """Collect from the data set what decides about its greys."""
    window, ignored = _window(dataset)
    # Not two inversions: INVERSE is how the standard says MONOCHROME1 a second time.
    inverted = (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or dataset.get("PresentationLUTShape") == "INVERSE"
    )
    return Greys(
        slope=_number(dataset, "RescaleSlope", 1.0),
        intercept=_number(dataset, "RescaleIntercept", 0.0),
        modality_lut=_lut(dataset, "ModalityLUTSequence"),
        voi_lut=_lut(dataset, "VOILUTSequence"),
        window=window,
        inverted=inverted,
        window_ignored=ignored,
    )


def _first(value: Any) -> Any:
    """Take the first of several values: one window of many, as viewers do."""
    return value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value


def _number(dataset: Dataset, keyword: str, absent: float) -> float:
    """Read a decimal string, refusing what no arithmetic can use."""
    value = _first(dataset.get(keyword))
    number = absent if value in (None, "") else float(value)
    if not math.isfinite(number) or (keyword == "RescaleSlope" and number == 0):
        raise BadImage("corrupt", f"dicom: {keyword} is no usable number")
    return number


def _window(dataset: Dataset) -> tuple[Window | None, bool]:
    """Read the first window; the second value says that there is one and it makes no sense."""
    try:
        centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
        if centre in (None, "") or width in (None, ""):
            return None, False
        window = Window(float(centre), float(width), str(dataset.get("VOILUTFunction") or "LINEAR"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None, True
    # PS3.3 C.11.2.1.2: a width of at least 1 for LINEAR, above 0 for the others.
    fits = window.width >= 1 if window.function == "LINEAR" else window.width > 0
    if fits and window.function in _FUNCTIONS and math.isfinite(window.centre + window.width):
        return window, False
    return None, True


def _words(value: Any, little_endian: bool) -> NDArray[np.uint16]:
    """Read 16-bit words, which pydicom gives as numbers or, where the VR is ambiguous, as bytes."""
    if isinstance(value, bytes):
        even = value[: len(value) // 2 * 2]
        return np.frombuffer(even, "<u2" if little_endian else ">u2").astype(np.uint16)
    numbers = value if isinstance(value, list) or hasattr(value, "append") else [value]
    return np.array([int(number) & 0xFFFF for number in numbers], dtype=np.uint16)


def _lut(dataset: Dataset, keyword: str) -> Lut | None:
    """Read the first table of a sequence."""
    items = dataset.get(keyword)
    if not items:
        return None
    item, little_endian = items[0], dataset.original_encoding[1] is not False
    if "LUTDescriptor" not in item or "LUTData" not in item:
        raise BadImage("corrupt", f"dicom: {keyword} without a table")
    count, first, bits = (int(n) for n in _words(item.LUTDescriptor, little_endian))
    entries = _words(item.LUTData, little_endian)
    count = count or 65536  # PS3.3 C.11.1.1: 0 stands for 2^16
    if bits == 8 and len(entries) < count:
        entries = entries.astype("<u2").view(np.uint8).astype(np.uint16)  # two to a word
    if not 8 <= bits <= 16 or len(entries) < count:
        raise BadImage("corrupt", f"dicom: {keyword} does not fit its descriptor")
    return Lut(first, bits, entries[:count])


def _looked_up(values: Values, lut: Lut) -> Values:
    """Apply a table; values before the first and after the last entry take these."""
    # The descriptor's sign is that of the values it is for, and says so nowhere.
    is_signed = values.min() < 0 and lut.first > 0x7FFF
    first = lut.first - 65536 if is_signed else lut.first
    index = np.clip(np.floor(values + 0.5) - first, 0, len(lut.entries) - 1).astype(np.intp)
    found: Values = np.minimum(lut.entries[index], 2**lut.bits - 1).astype(np.float64)
    return found


def _windowed(values: Values, window: Window) -> Values:
    """Map a window to 0 to 1, by PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    offset: Values = values - window.centre
    if window.function == "SIGMOID":
        # Clipped where exp() would overflow; e^-700 is 0 for 8 bits and for 64.
        power = np.clip(-4 * offset / window.width, -700, 700)
        return np.asarray(1 / (1 + np.exp(power)))
    if window.function == "LINEAR_EXACT":
        return np.clip(offset / window.width + 0.5, 0, 1)
    if window.width == 1:
        return np.asarray(offset > -0.5, dtype=np.float64)
    return np.clip((offset + 0.5) / (window.width - 1) + 0.5, 0, 1)


def grey_table(bits: int, is_signed: bool, greys: Greys) -> Pixels:
    """Work out the grey level of every pattern of `bits` bits.

    Returns:
        2^bits grey levels, indexed by the stored bits as an unsigned number.
    """
    shares = _shares(*_file_values(bits, is_signed, greys), greys)
    return to_bytes(1 - shares if greys.inverted else shares)


def value_table(bits: int, is_signed: bool, greys: Greys) -> tuple[NDArray[np.uint16], GreyScale]:
    """Work out the grey value of every pattern of `bits` bits, and what these values mean.

    They are the file's own, each apart from the next. Only where it shows them by a curve that is
    no window is that curve in them already.
    """
    values, low, high = _file_values(bits, is_signed, greys)
    window = greys.window
    if greys.voi_lut is not None or (window and window.function == "SIGMOID"):
        shares = _shares(values, low, high, greys)
        turned = 1 - shares if greys.inverted else shares
        return np.rint(turned * _CURVED).astype(np.uint16), GreyScale(
            _CURVED, 0, _CURVED, is_curved=True
        )
    step = 1.0 if greys.modality_lut else abs(greys.slope)
    top = round((high - low) / step)
    places = np.rint((values - low) / step)
    ends = np.nan_to_num((np.array(_ends(window, low, high)) - low) / step)
    black, white = (float(end) for end in np.clip(ends, -_FURTHEST, _FURTHEST))
    if greys.inverted:
        scale = GreyScale(top, top - white, top - black, high, -step)
        return (top - places).astype(np.uint16), scale
    return places.astype(np.uint16), GreyScale(top, black, white, low, step)


def _ends(window: Window | None, low: float, high: float) -> tuple[float, float]:
    """Say from where to where a window goes, by PS3.3 C.11.2.1.2 and C.11.2.1.3.2."""
    if window is None:
        return low, high
    exact = window.function == "LINEAR_EXACT"
    centre, half = (
        (window.centre, window.width / 2)
        if exact
        else (window.centre - 0.5, (window.width - 1) / 2)
    )
    return centre - half, centre + half


def _file_values(bits: int, is_signed: bool, greys: Greys) -> tuple[Values, float, float]:
    """Give what each pattern means to the file, the least that could be, and the most."""
    values = np.arange(2**bits, dtype=np.float64)
    if is_signed:
        values[2 ** (bits - 1) :] -= 2**bits
    if greys.modality_lut is not None:
        values = _looked_up(values, greys.modality_lut)
        low, high = 0.0, 2.0**greys.modality_lut.bits - 1
    else:
        values = values * greys.slope + greys.intercept
        low, high = float(values.min()), float(values.max())
    if not (math.isfinite(high - low) and low < high):
        raise BadImage("corrupt", "dicom: the rescaled range has no extent")
    return values, low, high


def _shares(values: Values, low: float, high: float, greys: Greys) -> Values:
    """Say how bright the file wants its values shown, from 0 to 1, polarity left aside."""
    if greys.voi_lut is not None:
        return _looked_up(values, greys.voi_lut) / float(2**greys.voi_lut.bits - 1)
    if greys.window is not None:
        return _windowed(values, greys.window)
    return (values - low) / (high - low)
