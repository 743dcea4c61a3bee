"""DICOM → `Film`: parse no more than a film needs, check, decode one frame, show it as intended."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from spark_cxr.errors import BadImage
from spark_cxr.images.demographics import KEYWORDS as DEMOGRAPHIC_KEYWORDS
from spark_cxr.images.demographics import read_demographics
from spark_cxr.images.dicom_frames import WAY_OUT, stored_frame
from spark_cxr.images.dicom_pixels import (
    COLOUR,
    GREY,
    PALETTE,
    Layout,
    grey_levels,
    grey_table,
    patterns,
    read_greys,
    value_table,
)
from spark_cxr.images.film import (
    CHILD,
    Film,
    GreyValues,
    Limits,
    Pixels,
    Samples,
    Size,
    Spacing,
    to_bytes,
)
from spark_cxr.images.prepare import shrunk
from spark_cxr.images.quiet import mute_loggers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PALETTE_KEYWORDS = [
    f"{kind}{colour}PaletteColorLookupTable{part}"
    for kind in ("", "Segmented")
    for colour in ("Red", "Green", "Blue")
    for part in ("Descriptor", "Data")
    if not (kind and part == "Descriptor")
]
_KEYWORDS = [
    *("SOPClassUID", "Modality", "PresentationIntentType", "PatientID", "ViewPosition"),
    *DEMOGRAPHIC_KEYWORDS,
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("BurnedInAnnotation", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope"),
    *("VOILUTFunction", "ModalityLUTSequence", "VOILUTSequence", "PresentationLUTShape"),
    *("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    "PixelSpacingCalibrationType",
    *_PALETTE_KEYWORDS,
    *("FloatPixelData", "DoubleFloatPixelData", "PixelData"),
]
"""All that is ever read: what is not parsed can neither leak nor fail."""
_VIEWS = {"PA": "PA", "AP": "AP", **dict.fromkeys(("LL", "RL", "LAT", "LATERAL"), "lateral")}
_FIRST_VRS = (b"UL", b"UI", b"CS", b"OB", b"DA", b"TM", b"SH", b"LO", b"SQ", b"ST")
_NEXT_GROUPS = (b"\x02\0", b"\x08\0", b"\x10\0", b"\x18\0", b"\x20\0")
_FILM_MODALITIES = ("CR", "DX", "RG")


class _Source(io.BytesIO):
    """A file in memory that remembers whether somebody wanted more than it had."""

    ran_out = False

    def __init__(self, data: bytes) -> None:
        """Take the bytes as they are: a buffer of them would be a copy."""
        super().__init__(data)
        self._length = len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and note a shortfall; nothing left where a tag of 8 bytes may begin is the end."""
        is_beyond = self.tell() > self._length
        got = super().read(size)
        if size is not None and len(got) < size and (got or size != 8 or is_beyond):
            self.ran_out = True
        return got


def is_bare_dataset(data: bytes) -> bool:
    """Recognise a data set without preamble: it begins with an element of group 2 or 8."""
    if len(data) < 16:
        return False
    group, element, length = struct.unpack_from("<HHI", data)
    if group not in (2, 8) or element > 0x0100:
        return False
    is_explicit = data[4:6] in _FIRST_VRS
    is_implicit = length < 256 and data[8 + length : 10 + length] in _NEXT_GROUPS
    return is_explicit or is_implicit


def read_dicom(
    data: bytes, limits: Limits, enough_hw: Size | None = None, values_side: int = 0
) -> Film:
    """Decode a DICOM file, with preamble or without.

    Args:
        data: the file.
        limits: what it may cost.
        enough_hw: a size than which the caller needs no more; see `stored_frame`.
        values_side: see `decode`.

    Raises:
        BadImage: the bytes give no film.
        MemoryError: decoding needs more than there is.
    """
    try:
        import pydicom.pixels  # noqa: F401
    except ImportError:
        raise BadImage("unsupported_transfer_syntax", f"DICOM needs pydicom: {WAY_OUT}") from None
    mute_loggers()
    source = _Source(data)
    try:
        return _film(source, limits, enough_hw, values_side)
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise anything at all
        reason = "truncated" if source.ran_out else "corrupt"
        raise BadImage(reason, f"dicom: {type(error).__name__} while decoding") from None


def _film(source: _Source, limits: Limits, enough_hw: Size | None, values_side: int) -> Film:
    """Parse, check, decode, show."""
    with np.errstate(all="ignore"):
        dataset = _parsed(source, limits)
        _check(dataset, limits, source.ran_out)
        layout = _layout(dataset)
        greys = read_greys(dataset) if layout.photometric in GREY else None
        frame = stored_frame(dataset, layout, source.ran_out, enough_hw)
        values = None
        if greys is None:
            pixels = _colour(frame.samples, dataset, layout)
        else:
            table = grey_table(layout.stored, layout.is_signed, greys)
            pixels = grey_levels(frame.samples, layout, table)
            if values_side:
                deep, scale = value_table(layout.stored, layout.is_signed, greys)
                whole = grey_levels(frame.samples, layout, deep)
                values = GreyValues(shrunk(whole, values_side), scale)
    view = _VIEWS.get(str(dataset.get("ViewPosition") or "").strip().upper())
    # A missing id and an empty one are the same.
    patient = str(dataset.get("PatientID") or "").strip() or None
    flags = _flags(dataset, view, greys is not None and greys.window_ignored) + frame.flags
    person = read_demographics(dataset)
    flags += (CHILD,) if person.is_child else ()
    return Film(
        *(pixels, "dicom", layout.stored, patient, view, flags, frame.full_hw, person),
        spacing=_spacing(dataset),
        values=values,
    )


def _spacing(dataset: Dataset) -> Spacing | None:
    """Read how far apart the pixels lie, by PS3.3 10.7.1; None where that is not said, or absurd.

    A PixelSpacing that differs from that of the detector, or says how it was calibrated, is that
    of the body; one that stands alone in a radiograph says no more than the detector's would.
    """
    detector = _distances(dataset, "ImagerPixelSpacing")
    own = _distances(dataset, "PixelSpacing")
    sheet = _distances(dataset, "NominalScannedPixelSpacing")
    says_how = "PixelSpacingCalibrationType" in dataset
    is_calibrated = says_how or (detector is not None and own != detector)
    if own and is_calibrated:
        found = Spacing(*own, "calibrated")
    elif distances := detector or own:
        found = Spacing(*distances, "detector")
    elif sheet:
        found = Spacing(*sheet, "sheet")
    else:
        return None
    return found if found.is_sane else None


def _distances(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """Read millimetres down and across; a film is not refused for what it says of them."""
    try:
        down, across = dataset.get(keyword)
        return float(down), float(across)
    except (ValueError, TypeError, OverflowError):
        return None


def _flags(dataset: Dataset, view: str | None, window_ignored: bool) -> tuple[str, ...]:
    """Collect what a reader should know, as keys of `FLAGS`."""
    modality = str(dataset.get("Modality") or "")
    claims = {
        "lateral": view == "lateral",
        "burned_in": dataset.get("BurnedInAnnotation") == "YES",
        "for_processing": dataset.get("PresentationIntentType") == "FOR PROCESSING",
        "window_ignored": window_ignored,
        "other_modality": bool(modality) and modality not in _FILM_MODALITIES,
    }
    return tuple(flag for flag, holds in claims.items() if holds)


def _parsed(source: _Source, limits: Limits) -> Dataset:
    """Read the file meta group, then only the elements that matter."""
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

    has_preamble = source.getvalue()[128:132] == b"DICM"
    source.seek(132 if has_preamble else 0)
    meta = read_dataset(source, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    syntax = UID(str(meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian))
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise BadImage("unsupported_transfer_syntax", "dicom: an unregistered transfer syntax")
    body = source
    if syntax == DeflatedExplicitVRLittleEndian:
        body = _inflated(source, limits)
    tags = [tag for word in _KEYWORDS if (tag := tag_for_keyword(word)) is not None]
    # pydicom notices by itself where the VR is explicit against the transfer syntax.
    dataset = read_dataset(
        body, syntax.is_implicit_VR, syntax.is_little_endian, specific_tags=list(tags)
    )
    source.ran_out |= body.ran_out
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    if not has_preamble and "Rows" not in dataset:
        raise BadImage("not_an_image", "begins like DICOM and is none")
    return dataset


def _inflated(source: _Source, limits: Limits) -> _Source:
    """Inflate a deflated data set, up to what the largest allowed film could need."""
    most = 2**24 + 3 * limits.max_pixels
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(source.read(), most + 1)
    if len(body) > most:
        raise BadImage("too_large", f"dicom: inflates to more than {most} bytes")
    source.ran_out |= not inflater.eof
    return _Source(body)


def _check(dataset: Dataset, limits: Limits, ran_out: bool) -> None:
    """Refuse by the header alone what has no pixels, several frames or a size out of bounds."""
    if "PixelData" in dataset:
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            raise BadImage("multi_frame", "dicom: NumberOfFrames is above 1")
        limits.check(int(dataset.Rows), int(dataset.Columns))
        return
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise BadImage("unsupported_photometric", "dicom: floating-point pixels, no nominal range")
    if ran_out:
        raise BadImage("truncated", "dicom: ends before its pixels")
    has_sense = "SOPClassUID" in dataset or "Rows" in dataset
    raise BadImage("no_pixel_data" if has_sense else "corrupt", "dicom: no PixelData element")


def _layout(dataset: Dataset) -> Layout:
    """Read how the samples are stored, and refuse what no film has.

    Raises:
        BadImage: unsupported_photometric, or corrupt where the header contradicts itself.
    """
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    high = dataset.get("HighBit")
    shift = 0 if high is None else int(high) + 1 - stored
    layout = Layout(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        allocated=allocated,
        stored=stored,
        shift=shift if 0 < shift <= allocated - stored else 0,
        is_signed=int(dataset.get("PixelRepresentation") or 0) == 1,
        photometric=str(dataset.PhotometricInterpretation),
    )
    _check_layout(layout)
    return layout


def _check_layout(layout: Layout) -> None:
    """Refuse layouts that have no place in radiography or none in the standard."""
    if layout.photometric not in (*GREY, *COLOUR, PALETTE):
        raise BadImage("unsupported_photometric", "dicom: neither grey, RGB, YBR nor palette")
    if layout.allocated > 16:
        raise BadImage("unsupported_photometric", "dicom: more than 16 bits a sample")
    if layout.allocated not in (1, 8, 16) or not 1 <= layout.stored <= layout.allocated:
        raise BadImage("corrupt", "dicom: bits stored and allocated contradict each other")
    if layout.samples != (3 if layout.photometric in COLOUR else 1):
        raise BadImage("corrupt", "dicom: samples a pixel contradict the photometric")
    if layout.photometric.startswith("YBR") and layout.allocated != 8:
        raise BadImage("unsupported_photometric", "dicom: YBR of other than 8 bits")


def _colour(samples: Samples, dataset: Dataset, layout: Layout) -> Pixels:
    """Bring RGB or palette samples to 8 bits a channel."""
    from pydicom.pixels.processing import apply_color_lut

    numbers = patterns(samples, layout)
    if layout.photometric != PALETTE:
        return _eight_bits(numbers, layout.stored)
    painted = apply_color_lut(numbers, dataset)[..., :3]
    return _eight_bits(painted, 8 * painted.dtype.itemsize)


def _eight_bits(samples: Samples, bits: int) -> Pixels:
    """Scale by the nominal range of so many bits."""
    if bits == 8:
        return np.ascontiguousarray(samples, dtype=np.uint8)
    top = 2**bits - 1
    return np.take(to_bytes(np.arange(top + 1) / top), samples)
