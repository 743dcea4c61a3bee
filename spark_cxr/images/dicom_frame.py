"""The stored samples of one DICOM frame, native or compressed, and its colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import BadImage
from spark_cxr.images.codec_process import decode_apart
from spark_cxr.images.codecs import Frame
from spark_cxr.images.codestream import frame_shape
from spark_cxr.images.film import Pixels, to_bytes
from spark_cxr.images.quiet import mute_loggers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.pixels.decoders.base import Decoder
    from pydicom.uid import UID

WAY_OUT = "pip install spark-cxr[dicom]"
GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
_PURE_PYTHON = "pydicom"
_PLUGINS = (_PURE_PYTHON, "gdcm", "pylibjpeg", "pyjpegls")
"""In order of preference. Not Pillow: it loses signs and bits of DICOM frames without a word."""
Samples = NDArray[Any]
"""Integers of 8 or 16 bits, signed or not: (rows, columns) or (rows, columns, 3)."""


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


def read_layout(dataset: Dataset) -> Layout:
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
    _check(layout)
    return layout


def _check(layout: Layout) -> None:
    """Refuse layouts that have no place in radiography or none in the standard."""
    if layout.photometric not in (*GREY, *_COLOUR, _PALETTE):
        raise BadImage("unsupported_photometric", "dicom: neither grey, RGB, YBR nor palette")
    if layout.allocated > 16:
        raise BadImage("unsupported_photometric", "dicom: more than 16 bits a sample")
    if layout.allocated not in (1, 8, 16) or not 1 <= layout.stored <= layout.allocated:
        raise BadImage("corrupt", "dicom: bits stored and allocated contradict each other")
    if layout.samples != (3 if layout.photometric in _COLOUR else 1):
        raise BadImage("corrupt", "dicom: samples a pixel contradict the photometric")
    if layout.photometric.startswith("YBR") and layout.allocated != 8:
        raise BadImage("unsupported_photometric", "dicom: YBR of other than 8 bits")


def stored_samples(dataset: Dataset, layout: Layout, is_cut: bool) -> Samples:
    """Decode the one frame.

    Args:
        dataset: with its transfer syntax in `file_meta`.
        layout: what the header says about the frame.
        is_cut: the file ends in the middle of an element, which tells truncated from corrupt.

    Raises:
        BadImage: unsupported_transfer_syntax, truncated or corrupt.
    """
    from pydicom.pixels.decoders.base import get_decoder

    syntax: UID = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise _unreadable(syntax) from None
    if syntax.is_encapsulated:
        samples, photometric = _decompressed(dataset, layout, decoder)
    else:
        _check_length(len(dataset.PixelData), layout, is_cut)
        # Unused bits are left to `patterns`, which knows HighBit.
        options: dict[str, Any] = {"correct_unused_bits": False}
        samples, said = decoder.as_array(dataset, index=0, **options)
        photometric = str(said["photometric_interpretation"])
    if layout.photometric in _COLOUR and photometric != "RGB":
        raise BadImage("unsupported_photometric", "dicom: colours that nothing here makes RGB")
    return samples


def _decompressed(dataset: Dataset, layout: Layout, decoder: Decoder) -> tuple[Samples, str]:
    """Decode a compressed frame, compiled decoders in a process of their own."""
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    frame = Frame(
        syntax=str(syntax),
        plugin=_plugin(decoder, layout, syntax),
        rows=layout.rows,
        columns=layout.columns,
        samples=layout.samples,
        allocated=layout.allocated,
        stored=layout.stored,
        is_signed=layout.is_signed,
        photometric=layout.photometric,
    )
    _check_frame(dataset.PixelData, layout)
    if frame.plugin != _PURE_PYTHON:
        return decode_apart(frame, dataset.PixelData)
    samples, said = decoder.as_array(dataset, index=0, decoding_plugin=frame.plugin)
    return samples, str(said["photometric_interpretation"])


def _unreadable(syntax: UID) -> BadImage:
    """Say which encoding has no decoder here."""
    return BadImage("unsupported_transfer_syntax", f"dicom: {syntax.name}; {WAY_OUT}")


def _plugin(decoder: Decoder, layout: Layout, syntax: UID) -> str:
    """Choose the decoder for a compressed frame."""
    from pydicom.uid import JPEGExtended12Bit

    mute_loggers()  # the decoders' modules are in by now
    usable = [name for name in _PLUGINS if name in decoder.available_plugins]
    if syntax == JPEGExtended12Bit and layout.stored > 8:
        usable = [name for name in usable if name != "gdcm"]  # it has 8 bits for this one
    if not usable:
        raise _unreadable(syntax)
    return usable[0]


def _check_frame(pixel_data: bytes, layout: Layout) -> None:
    """Refuse a compressed frame that says another size than DICOM's header."""
    from pydicom.encaps import get_frame

    shape = frame_shape(get_frame(pixel_data, 0, number_of_frames=1))
    if shape not in (None, (layout.rows, layout.columns, layout.samples)):
        raise BadImage("corrupt", "dicom: the compressed frame and Rows x Columns differ in size")


def _check_length(length: int, layout: Layout, is_cut: bool) -> None:
    """Refuse native pixels that are fewer than Rows x Columns."""
    bits = layout.rows * layout.columns * layout.samples * layout.allocated
    if layout.photometric == "YBR_FULL_422":
        bits = bits // 3 * 2
    if length < (bits + 7) // 8:
        reason = "truncated" if is_cut else "corrupt"
        raise BadImage(reason, f"dicom: {length} bytes of pixels instead of {(bits + 7) // 8}")


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


def colour(samples: Samples, dataset: Dataset, layout: Layout) -> Pixels:
    """Bring RGB or palette samples to 8 bits a channel."""
    from pydicom.pixels.processing import apply_color_lut

    numbers = patterns(samples, layout)
    if layout.photometric != _PALETTE:
        return _eight_bits(numbers, layout.stored)
    painted = apply_color_lut(numbers, dataset)[..., :3]
    return _eight_bits(painted, 8 * painted.dtype.itemsize)


def _eight_bits(samples: Samples, bits: int) -> Pixels:
    """Scale by the nominal range of so many bits."""
    if bits == 8:
        return np.ascontiguousarray(samples, dtype=np.uint8)
    top = 2**bits - 1
    return np.take(to_bytes(np.arange(top + 1) / top), samples)
