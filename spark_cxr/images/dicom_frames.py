"""The one frame of a DICOM file → its stored samples, native or compressed.

Whatever is compressed is decoded by imagecodecs (`dicom_codecs`), and by gdcm only where that is
not installed or refuses a frame: gdcm takes longer, and some broken frames end its process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_cxr.errors import BadImage
from spark_cxr.images.codestreams import (
    FrameHeader,
    check_end,
    check_frame,
    flags_of,
    jpeg_colours,
    whole_jpeg,
)
from spark_cxr.images.dicom_codecs import (
    DECODED,
    JPEG_2000,
    JPEGS,
    RLE,
    Decode,
    codec_for,
    decode_frame,
    decode_reduced,
    decode_rle,
    halvings,
)
from spark_cxr.images.dicom_pixels import COLOUR, Layout
from spark_cxr.images.film import REDUCED, Samples, Size
from spark_cxr.images.quiet import mute_loggers

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.pixels.decoders.base import Decoder
    from pydicom.uid import UID

WAY_OUT = "pip install spark-cxr[dicom]"
_PLUGINS = ("pydicom", "gdcm", "pylibjpeg", "pyjpegls")
"""Of pydicom, in order of preference. Not Pillow: it loses signs and bits of DICOM frames without
a word."""
_EXTENDED = "1.2.840.10008.1.2.4.51"
_RGB, _YBR = "RGB", ("YBR_FULL", "YBR_FULL_422")
_IN_JPEG_2000 = ("YBR_ICT", "YBR_RCT")
"""Colours that are RGB as soon as the codestream is decoded."""


@dataclass(frozen=True)
class StoredFrame:
    """The samples of a frame."""

    samples: Samples
    flags: tuple[str, ...] = ()
    """What the decoder was not content with."""
    full_hw: Size | None = None
    """The size that it has in the file, where it was decoded at a lower resolution."""


def stored_frame(
    dataset: Dataset, layout: Layout, is_cut: bool, enough_hw: Size | None = None
) -> StoredFrame:
    """Decode the one frame.

    Args:
        dataset: with its transfer syntax in `file_meta`.
        layout: what the header says about the frame.
        is_cut: the file ends in the middle of an element, which tells truncated from corrupt.
        enough_hw: a size that the caller needs no more than: grey JPEG 2000 is then decoded at the
            lowest resolution that exceeds it.

    Raises:
        BadImage: unsupported_transfer_syntax, unsupported_photometric, truncated or corrupt.
    """
    syntax: UID = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return _native(dataset, layout, is_cut)
    if syntax not in DECODED:
        raise BadImage("unsupported_transfer_syntax", f"dicom: nothing here decodes {syntax.name}")
    return _compressed(dataset, layout, syntax, enough_hw)


def _native(dataset: Dataset, layout: Layout, is_cut: bool) -> StoredFrame:
    from pydicom.pixels.decoders.base import get_decoder

    syntax: UID = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise _unreadable(syntax) from None
    _check_length(len(dataset.PixelData), layout, is_cut)
    # Unused bits are left to `patterns`, which knows HighBit.
    options: dict[str, Any] = {"correct_unused_bits": False, "view_only": layout.samples == 1}
    samples, said = decoder.as_array(dataset, index=0, **options)
    _check_colours(layout, str(said["photometric_interpretation"]))
    return StoredFrame(samples)


def _check_length(length: int, layout: Layout, is_cut: bool) -> None:
    """Refuse native pixels that are fewer than Rows x Columns."""
    bits = layout.rows * layout.columns * layout.samples * layout.allocated
    if layout.photometric == "YBR_FULL_422":
        bits = bits // 3 * 2
    if length < (bits + 7) // 8:
        reason = "truncated" if is_cut else "corrupt"
        raise BadImage(reason, f"dicom: {length} bytes of pixels instead of {(bits + 7) // 8}")


def _check_colours(layout: Layout, photometric: str) -> None:
    if layout.photometric in COLOUR and photometric != _RGB:
        raise BadImage("unsupported_photometric", "dicom: colours that nothing here makes RGB")


def _compressed(
    dataset: Dataset, layout: Layout, syntax: UID, enough_hw: Size | None
) -> StoredFrame:
    """Decode a compressed frame; only a child process does this, a decoder may end it."""
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    shape = (layout.rows, layout.columns, layout.samples)
    header = FrameHeader(shape, layout.allocated) if syntax == RLE else check_frame(frame, shape)
    _check_bits(header, layout, syntax)
    decode, refusal = codec_for(syntax, header), ""
    for wanted_hw in dict.fromkeys((enough_hw, None)):  # a tile may have no lower resolution
        try:
            found = _by_codec(decode, frame, layout, header, syntax, wanted_hw)
            if found is not None:
                return found
        except (BadImage, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - parsers of hostile bytes raise anything at all
            refusal = f"imagecodecs cannot decode the frame ({type(error).__name__})"
    return _by_plugin(dataset, layout, frame, refusal)


def _check_bits(header: FrameHeader, layout: Layout, syntax: UID) -> None:
    if header.bits > layout.allocated:
        raise BadImage("corrupt", "dicom: the frame has more bits a sample than the header says")
    if syntax == _EXTENDED and header.bits < layout.stored:
        detail = f"dicom: {syntax.name} of {header.bits} bits where {layout.stored} are stored"
        raise BadImage("unsupported_transfer_syntax", detail)


def _by_codec(
    decode: Decode | None,
    frame: bytes,
    layout: Layout,
    header: FrameHeader,
    syntax: UID,
    enough_hw: Size | None,
) -> StoredFrame | None:
    """Decode without pydicom; None where the codec is not installed."""
    flags: tuple[str, ...] = ()
    if syntax in JPEGS and header.bits == 8:
        pixels, complaint = whole_jpeg(frame)
        flags = flags_of(complaint)
        if pixels is not None and layout.samples == 1:
            return StoredFrame(_widened(pixels, layout, header, syntax), flags)
    if decode is None:
        return None
    if syntax == RLE:
        samples = decode_rle(decode, frame, header.shape, layout.allocated // 8)
        return StoredFrame(_as_rgb(samples, layout, layout.photometric))
    n = halvings(header, enough_hw) if enough_hw and layout.samples == 1 else 0
    if n:
        samples = decode_reduced(frame, header, n)
        samples = _widened(samples, layout, header, syntax)
        return StoredFrame(samples, (REDUCED,), header.shape[:2])
    samples = decode_frame(decode, frame, header)
    if syntax in JPEGS and layout.samples == 1:
        check_end(frame, samples)
    photometric = jpeg_colours(frame, layout.photometric)
    if syntax in JPEG_2000:
        photometric = _RGB if layout.photometric in _IN_JPEG_2000 else layout.photometric
    return StoredFrame(
        _as_rgb(_widened(samples, layout, header, syntax), layout, photometric), flags
    )


def _as_rgb(samples: Samples, layout: Layout, photometric: str) -> Samples:
    """Turn YBR into RGB; grey and RGB stay as they are."""
    if layout.photometric not in COLOUR:
        return samples
    if photometric in _YBR:
        from pydicom.pixels.processing import convert_color_space

        return convert_color_space(samples, "YBR_FULL", _RGB)
    _check_colours(layout, photometric)
    return samples


def _widened(samples: Samples, layout: Layout, header: FrameHeader, syntax: UID) -> Samples:
    """Give samples as wide as allocated, where a frame has fewer bits than the header says.

    JPEG 2000 and JPEG-LS have such samples signed as DICOM's header wants them.
    """
    width = layout.allocated // 8
    if header.bits >= layout.stored:
        return samples
    wide: Samples = samples.astype(f"u{width}")
    if syntax in JPEGS:
        return wide
    unused = 8 * width - header.bits
    return (wide << unused).view(f"{'i' if layout.is_signed else 'u'}{width}") >> unused


def _by_plugin(dataset: Dataset, layout: Layout, frame: bytes, refusal: str) -> StoredFrame:
    """Decode by one of pydicom's plug-ins.

    Args:
        dataset: with its transfer syntax in `file_meta`.
        layout: what the header says about the frame.
        frame: compressed.
        refusal: what imagecodecs said of it; empty where that is not installed.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEGBaseline8Bit

    syntax: UID = dataset.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    plugin = _plugin(decoder, layout, syntax)
    if plugin is None and refusal:
        raise BadImage("corrupt", f"dicom: {refusal}")
    if plugin is None:
        raise _unreadable(syntax)
    try:
        samples, said = decoder.as_array(dataset, index=0, decoding_plugin=plugin)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        detail = f"dicom: {plugin} cannot decode the frame ({type(error).__name__})"
        raise BadImage("corrupt", detail) from None
    _check_colours(layout, str(said["photometric_interpretation"]))
    flags = flags_of(whole_jpeg(frame)[1]) if syntax == JPEGBaseline8Bit else ()
    return StoredFrame(samples, flags)


def _unreadable(syntax: UID) -> BadImage:
    """Say which package decodes this encoding."""
    return BadImage(
        "unsupported_transfer_syntax", f"dicom: {syntax.name} needs imagecodecs: {WAY_OUT}"
    )


def _plugin(decoder: Decoder, layout: Layout, syntax: UID) -> str | None:
    """Choose the decoder for a compressed frame; None where there is none."""
    mute_loggers()  # the decoders' modules are in by now
    usable = [name for name in _PLUGINS if name in decoder.available_plugins]
    if syntax == _EXTENDED and layout.stored > 8:
        usable = [name for name in usable if name != "gdcm"]  # it has 8 bits for this one
    return usable[0] if usable else None
