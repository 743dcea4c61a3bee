"""Encodings and colours of DICOM frames."""

import io
import sys

import numpy as np
import pytest
from dicom_writer import compressed, dicom, encapsulated
from PIL import Image
from pydicom.uid import (
    HTJ2K,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
)

from spark_cxr.errors import BadImage
from spark_cxr.images import dicom_frames
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits
from spark_cxr.images.formats import decode_here

SMALL = Limits(min_side=1)
RAMP = (np.add.outer(np.arange(48) * 30, np.arange(40) * 60)).astype("u2")
"""From 0 to 3750 of 4095."""
RAMP_SEEN = np.floor(RAMP / 4095 * 255 + 0.5).astype("u1")
COLOURS = np.zeros((48, 40, 3), "u1")
COLOURS[:24], COLOURS[24:] = (200, 40, 10), (10, 60, 220)
LOSSLESS = [
    *("JPEGLosslessProcess14_1", "JPEGLosslessProcess14", "JPEGLSLossless"),
    *("JPEG2000Lossless", "RLELossless"),
]


def jpeg(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "syntax",
    [
        *(ImplicitVRLittleEndian, ExplicitVRLittleEndian),
        *(ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian),
    ],
)
def test_native_syntaxes_give_the_same_film(syntax):
    film = decode(dicom(RAMP, syntax, BitsStored=12))
    np.testing.assert_array_equal(film.pixels, RAMP_SEEN)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_syntaxes_give_the_same_film(syntax):
    pytest.importorskip("gdcm")
    film = decode(compressed(dicom(RAMP, BitsStored=12), syntax))
    np.testing.assert_array_equal(film.pixels, RAMP_SEEN)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_syntaxes_keep_the_sign(syntax):
    pytest.importorskip("gdcm")
    signed = (RAMP.astype("i2") - 2048).astype("i2")
    film = decode(compressed(dicom(signed, BitsStored=12), syntax))
    np.testing.assert_array_equal(film.pixels, RAMP_SEEN)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_syntaxes_keep_colours(syntax):
    pytest.importorskip("gdcm")
    film = decode(compressed(dicom(COLOURS), syntax))
    np.testing.assert_array_equal(film.pixels, COLOURS)


@pytest.mark.parametrize("syntax", ["JPEG2000", "JPEGLSNearLossless"])
def test_lossy_syntaxes_are_decoded(syntax):
    pytest.importorskip("gdcm")
    film = decode(compressed(dicom(RAMP, BitsStored=12), syntax))
    assert np.abs(film.pixels.astype(int) - RAMP_SEEN).max() <= 1


def test_jpeg_baseline_grey_is_decoded():
    pytest.importorskip("gdcm")
    film = decode(encapsulated(jpeg(RAMP_SEEN), RAMP_SEEN, JPEGBaseline8Bit))
    assert np.abs(film.pixels.astype(int) - RAMP_SEEN).max() <= 3


@pytest.mark.parametrize(
    ("photometric", "subsampling"), [("YBR_FULL", 0), ("YBR_FULL_422", 1), ("YBR_FULL_422", 2)]
)
def test_jpeg_baseline_colours_become_rgb(photometric, subsampling):
    pytest.importorskip("gdcm")
    frame = jpeg(COLOURS, subsampling=subsampling)
    data = encapsulated(frame, COLOURS, JPEGBaseline8Bit, PhotometricInterpretation=photometric)
    film = decode(data)
    assert np.abs(film.pixels[[4, 44], 4].astype(int) - COLOURS[[4, 44], 4]).max() <= 2


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("is_meta_kept", [True, False])
def test_file_without_preamble_is_recognised(syntax, is_meta_kept):
    whole = dicom(RAMP, syntax, BitsStored=12)
    meta_length = int.from_bytes(whole[140:144], "little")
    bare = whole[132:] if is_meta_kept else whole[144 + meta_length :]
    np.testing.assert_array_equal(decode(bare).pixels, RAMP_SEEN)


def test_rgb_stays_as_it_is():
    np.testing.assert_array_equal(decode(dicom(COLOURS)).pixels, COLOURS)


def test_rgb_by_planes_is_interleaved():
    planes = np.ascontiguousarray(COLOURS.transpose(2, 0, 1)).reshape(48, 40, 3)
    data = dicom(planes, PlanarConfiguration=1)
    np.testing.assert_array_equal(decode(data).pixels, COLOURS)


def test_rgb_of_16_bits_is_scaled_by_65535():
    data = dicom(np.array([[[0, 129, 65535]]], "u2"))
    assert decode(data, SMALL).pixels.tolist() == [[[0, 1, 255]]]


def test_ybr_becomes_rgb():
    # PS3.3 C.7.6.3.1.2 backwards: R = 76 + 1.402 * 127 = 254.05, G = 0.1, B = -0.2
    data = dicom(np.array([[[76, 85, 255]]], "u1"), PhotometricInterpretation="YBR_FULL")
    assert decode(data, SMALL).pixels.tolist() == [[[254, 0, 0]]]


def test_native_ybr_422_becomes_rgb():
    # Y1 Y2 Cb Cr for two pixels; Cb = Cr = 128 is grey.
    data = dicom(
        np.array([[[50, 200, 128], [128, 0, 0]]], "u1"), PhotometricInterpretation="YBR_FULL_422"
    )
    data = data.replace(bytes([50, 200, 128, 128, 0, 0]), bytes([50, 200, 128, 128]))
    data = data.replace(b"OB\0\0\x06\0\0\0", b"OB\0\0\x04\0\0\0")
    assert decode(data, SMALL).pixels.tolist() == [[[50] * 3, [200] * 3]]


@pytest.mark.parametrize(
    ("bits", "dtype", "seen"),
    [(8, "u1", [[10, 20, 30], [40, 50, 60]]), (16, "<u2", [[0, 0, 0], [0, 0, 0]])],
)
def test_palette_becomes_rgb(bits, dtype, seen):
    # As 16-bit entries the same small numbers are black: 60 / 65535 * 255 = 0.23.
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for shift, name in enumerate(("Red", "Green", "Blue")):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [2, 0, bits]
        entries = np.array([10, 40], dtype) + 10 * shift
        tags[f"{name}PaletteColorLookupTableData"] = entries.astype(dtype).tobytes()
    assert decode(dicom(np.array([[0, 1]], "u1"), **tags), SMALL).pixels.tolist() == [seen]


@pytest.mark.parametrize("photometric", ["HSV", "CMYK", "ARGB", "YBR_PARTIAL_420", "XYB"])
def test_other_colours_are_refused(photometric):
    with pytest.raises(BadImage) as refused:
        decode(dicom(COLOURS, PhotometricInterpretation=photometric))
    assert refused.value.reason == "unsupported_photometric"


def test_more_than_16_bits_are_refused():
    with pytest.raises(BadImage, match=r"unsupported_photometric: .*more than 16 bits"):
        decode(dicom(RAMP.astype("u4")))


def unreadable(data: bytes) -> str:
    with pytest.raises(BadImage) as refused:
        decode_here(data)
    assert refused.value.reason == "unsupported_transfer_syntax"
    return refused.value.detail


def test_unknown_encoding_names_itself():
    data = encapsulated(bytes(60), RAMP, MPEG2MPML)
    assert "nothing here decodes MPEG2" in unreadable(data)


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2K])
def test_missing_imagecodecs_names_the_syntax_and_the_way_out(monkeypatch, syntax):
    imagecodecs = pytest.importorskip("imagecodecs")
    data = encapsulated(imagecodecs.htj2k_encode(RAMP), RAMP, syntax)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    detail = unreadable(data)
    assert "High-Throughput JPEG 2000" in detail
    assert "imagecodecs" in detail
    assert "pip install spark-cxr[dicom]" in detail


def test_missing_decoders_name_the_way_out(monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs")
    data = encapsulated(imagecodecs.jpegls_encode(RAMP), RAMP, JPEGLSLossless)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setattr(dicom_frames, "_PLUGINS", ("pydicom",))
    detail = unreadable(data)
    assert "imagecodecs: pip install spark-cxr[dicom]" in detail


def test_jpeg_of_12_bits_is_refused_rather_than_cut_to_8():
    with pytest.raises(BadImage, match="unsupported_transfer_syntax"):
        decode(encapsulated(jpeg(RAMP_SEEN), RAMP, JPEGExtended12Bit, BitsStored=12))


def test_missing_pydicom_names_the_way_out(monkeypatch):
    data = dicom(RAMP)
    monkeypatch.setitem(__import__("sys").modules, "pydicom.pixels", None)
    with pytest.raises(BadImage, match=r"pip install spark-cxr\[dicom\]"):
        decode(data)
