"""imagecodecs beside gdcm: the same samples of every encoding; what both refuse or fill in."""

import io
import struct
import sys

import numpy as np
import pytest
from pydicom import dcmread

from spark_cxr.errors import BadImage
from spark_cxr.images import dicom_codecs, dicom_frames
from spark_cxr.images.decode import decode
from spark_cxr.images.dicom_frames import stored_frame
from spark_cxr.images.dicom_pixels import Layout, patterns
from spark_cxr.images.formats import decode_here
from spark_cxr.images.quiet import quiet
from tests.images.dicom_writer import compressed, dicom, encapsulated
from tests.images.encoded import ENCODED, FILM, Encoded, imagecodecs, jpeg_2000, lossless_jpeg

gdcm = pytest.importorskip("gdcm")
END = b"\xff\xd9"
RNG = np.random.default_rng(3)
COLOURS = RNG.integers(0, 256, (48, 40, 3)).astype("u1")
KINDS = {
    "8": (8, 8, False),
    "8 signed": (8, 8, True),
    "10": (16, 10, False),
    "12": (16, 12, False),
    "12 signed": (16, 12, True),
    "16": (16, 16, False),
    "16 signed": (16, 16, True),
}
"""Bits allocated and stored, and whether there is a sign."""
BY_GDCM = [
    *("JPEGLosslessProcess14_1", "JPEGLosslessProcess14", "JPEGLSLossless", "JPEGLSNearLossless"),
    *("JPEG2000Lossless", "JPEG2000", "RLELossless"),
]
"""Encodings that gdcm writes, by its names."""


def samples_of(data: bytes) -> np.ndarray:
    """Decode the samples of a file, as the bits that are stored."""
    dataset = dcmread(io.BytesIO(data))
    layout = Layout(
        rows=dataset.Rows,
        columns=dataset.Columns,
        samples=dataset.SamplesPerPixel,
        allocated=dataset.BitsAllocated,
        stored=dataset.BitsStored,
        shift=0,
        is_signed=bool(dataset.PixelRepresentation),
        photometric=dataset.PhotometricInterpretation,
    )
    with quiet():
        return patterns(stored_frame(dataset, layout, is_cut=False).samples, layout)


def check_equal(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare what imagecodecs makes of a file with what pydicom's plug-ins make of it."""
    with monkeypatch.context() as patch:
        patch.setattr(dicom_frames, "_by_plugin", None)
        found = samples_of(data)
    with monkeypatch.context() as patch:
        patch.setattr(dicom_frames, "_by_codec", lambda *_: None)
        expected = samples_of(data)
    np.testing.assert_array_equal(found, expected)


def reason(data: bytes) -> str:
    try:
        decode(data)
    except BadImage as bad:
        return bad.reason
    return ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("syntax", BY_GDCM)
def test_samples_are_those_of_gdcm(syntax, kind, monkeypatch):
    allocated, stored, is_signed = KINDS[kind]
    levels = RNG.integers(0, 2**stored, (48, 40)) - (2 ** (stored - 1) if is_signed else 0)
    pixels = levels.astype(f"{'i' if is_signed else 'u'}{allocated // 8}")
    check_equal(compressed(dicom(pixels, BitsStored=stored), syntax), monkeypatch)


@pytest.mark.parametrize("syntax", BY_GDCM)
def test_colours_are_those_of_gdcm(syntax, monkeypatch):
    check_equal(compressed(dicom(COLOURS), syntax), monkeypatch)


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_gives_the_samples_of_gdcm(predictor, monkeypatch):
    data = Encoded("1.2.840.10008.1.2.4.57", lossless_jpeg(FILM, predictor)).dicom()
    check_equal(data, monkeypatch)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("subsampling", ["444", "422", "420", None])
def test_colours_of_a_jpeg_are_those_of_gdcm(subsampling, photometric, monkeypatch):
    """None: the codestream says itself that it is RGB."""
    options = {"subsampling": subsampling} if subsampling else {"outcolorspace": "RGB"}
    frame = imagecodecs.jpeg8_encode(COLOURS, level=90, **options)
    data = encapsulated(
        frame, COLOURS, "1.2.840.10008.1.2.4.50", PhotometricInterpretation=photometric
    )
    check_equal(data, monkeypatch)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "YBR_FULL"])
@pytest.mark.parametrize("transforms", [True, False])
def test_colours_of_jpeg_2000_are_those_of_gdcm(transforms, photometric, monkeypatch):
    frame = jpeg_2000(COLOURS, 8, mct=transforms)
    data = encapsulated(
        frame, COLOURS, "1.2.840.10008.1.2.4.90", PhotometricInterpretation=photometric
    )
    check_equal(data, monkeypatch)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("is_signed", [0, 1])
@pytest.mark.parametrize("stored", [12, 16])
def test_frame_of_fewer_bits_than_the_header_says_is_as_with_gdcm(
    bits, stored, is_signed, monkeypatch
):
    pixels = (FILM >> (12 - bits)).astype("u1" if bits == 8 else "u2")
    for syntax, frame in (
        ("70", lossless_jpeg(pixels, bits=bits)),
        ("90", jpeg_2000(pixels, bits)),
    ):
        tags = {"BitsStored": stored, "PixelRepresentation": is_signed}
        data = encapsulated(frame, FILM, f"1.2.840.10008.1.2.4.{syntax}", **tags)
        check_equal(data, monkeypatch)


@pytest.mark.parametrize("name", [name for name, each in ENCODED.items() if each.is_lossless])
def test_lossless_frame_is_the_film(name):
    np.testing.assert_array_equal(samples_of(ENCODED[name].dicom()), FILM)


@pytest.mark.parametrize("name", [name for name, each in ENCODED.items() if not each.is_lossless])
def test_lossy_frame_is_nearly_the_film(name):
    encoded = ENCODED[name]
    away = samples_of(encoded.dicom()).astype(int) - encoded.pixels
    assert np.abs(away).max() < 2 ** (encoded.bits - 5)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_htj2k_keeps_all_bits_and_the_sign(dtype):
    limits = np.iinfo(dtype)
    pixels = RNG.integers(limits.min, limits.max, (50, 41), endpoint=True).astype(dtype)
    frame = imagecodecs.htj2k_encode(pixels, reversible=True)
    data = encapsulated(frame, pixels, "1.2.840.10008.1.2.4.201")
    np.testing.assert_array_equal(samples_of(data), pixels.view(f"u{pixels.itemsize}"))


def test_htj2k_keeps_colours():
    frame = imagecodecs.htj2k_encode(COLOURS, reversible=True)
    tags = {"PhotometricInterpretation": "YBR_RCT"}
    data = encapsulated(frame, COLOURS, "1.2.840.10008.1.2.4.201", **tags)
    np.testing.assert_array_equal(decode(data).pixels, COLOURS)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
@pytest.mark.parametrize("syntax", ["201", "203"])
def test_lossy_htj2k_does_not_turn_black_into_white(syntax, dtype):
    """What runs over the range of its bits is cut off, also where the syntax says lossless."""
    limits = np.iinfo(dtype)
    pixels = np.where(RNG.random((90, 80)) < 0.5, limits.min, limits.max).astype(dtype)
    frame = imagecodecs.htj2k_encode(pixels, level=0.02)
    data = encapsulated(frame, pixels, f"1.2.840.10008.1.2.4.{syntax}")
    away = decode_here(data).pixels.astype(int) - decode_here(dicom(pixels)).pixels
    assert np.abs(away).max() < 32


@pytest.mark.parametrize("seed", range(6))
def test_htj2k_with_a_hole_in_its_data_is_no_film(seed):
    """imagecodecs only prints what OpenJPH says of it, and gives what it has."""
    frame = bytearray(ENCODED["HTJ2K"].frame)
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(frame) // 3, len(frame) // 2))
    frame[at : at + 2000] = rng.bytes(2000)
    assert reason(ENCODED["HTJ2K"].dicom(bytes(frame))) == "corrupt"


def test_more_bits_than_are_allocated_are_corrupt():
    with pytest.raises(BadImage, match="more bits"):
        decode_here(encapsulated(lossless_jpeg(FILM), FILM.astype("u1"), "1.2.840.10008.1.2.4.70"))


def test_frame_that_imagecodecs_refuses_is_decoded_by_gdcm(monkeypatch):
    def refuse(_: bytes, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(dicom_frames, "codec_for", lambda *_: refuse)
    np.testing.assert_array_equal(samples_of(ENCODED["lossless"].dicom()), FILM)


def test_frame_that_all_refuse_is_corrupt(monkeypatch):
    def lie(_: bytes, **__: object) -> np.ndarray:
        return FILM[1:]

    monkeypatch.setattr(dicom_frames, "codec_for", lambda *_: lie)
    with pytest.raises(BadImage, match=r"corrupt: .*imagecodecs cannot decode the frame"):
        decode_here(ENCODED["HTJ2K"].dicom())


@pytest.mark.parametrize(
    "name", [name for name in ENCODED if "HTJ2K" not in name and "ext" not in name]
)
def test_without_imagecodecs_the_film_is_the_same(name, monkeypatch):
    data = ENCODED[name].dicom()
    expected = samples_of(data)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    np.testing.assert_array_equal(samples_of(data), expected)


@pytest.mark.parametrize("offset", [0, 63, 64, 2**31, 2**32 - 1])
def test_rle_header_that_lies_never_reaches_the_decoder(offset):
    frame = bytearray(ENCODED["RLE"].frame)
    frame[8:12] = struct.pack("<I", offset)
    with pytest.raises(ValueError, match=r"\d"):
        dicom_codecs.decode_rle(lambda *_: pytest.fail("decoded"), bytes(frame), (96, 80, 1), 2)


# Frames that end before their picture does

WIDE = (
    np.add.outer(np.arange(120) * 9, np.arange(700) * 3) + RNG.integers(0, 300, (120, 700))
).astype("u2")
FLAT_END = np.where(np.arange(120)[:, None] < 80, WIDE, 7).astype("u2")
MIDDLE_END = np.where(np.arange(120)[:, None] < 80, WIDE, 2048).astype("u2")


def frame_of(name: str, pixels: np.ndarray) -> Encoded:
    if name == "extended":
        frame = imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=12)
        return Encoded("1.2.840.10008.1.2.4.51", frame, pixels)
    if name == "HTJ2K":
        frame = imagecodecs.htj2k_encode(pixels, reversible=True)
        return Encoded("1.2.840.10008.1.2.4.201", frame, pixels)
    return Encoded("1.2.840.10008.1.2.4.57", lossless_jpeg(pixels, int(name)), pixels)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("ends", [b"", END], ids=["cut", "ended"])
@pytest.mark.parametrize("name", ["1", "2", "7", "extended", "HTJ2K"])
def test_frame_that_ends_early_is_refused(name, ends, share):
    encoded = frame_of(name, WIDE)
    cut = encoded.frame[: int(len(encoded.frame) * share)] + ends
    assert reason(encoded.dicom(cut)) in ("truncated", "corrupt")


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
def test_jpeg_2000_that_does_not_say_its_length_needs_its_end(name):
    encoded = ENCODED[name]
    frame = bytearray(encoded.frame)
    at = frame.index(b"\xff\x90") + 6
    frame[at : at + 4] = bytes(4)
    assert reason(encoded.dicom(bytes(frame))) == ""
    assert reason(encoded.dicom(bytes(frame[: len(frame) // 2]))) == "truncated"


@pytest.mark.parametrize("pixels", [FLAT_END, MIDDLE_END], ids=["flat", "middle grey"])
@pytest.mark.parametrize("name", ["1", "2", "7", "extended", "HTJ2K"])
def test_film_that_ends_flat_is_a_film(name, pixels):
    assert reason(frame_of(name, pixels).dicom()) == ""


@pytest.mark.parametrize("name", ["JPEG-LS", "JPEG-LS near lossless"])
def test_jpeg_ls_without_its_end_is_refused_at_once(name):
    """CharLS reads zeros behind it for ever."""
    frame = ENCODED[name].frame
    with pytest.raises(BadImage, match="truncated"):
        decode_here(ENCODED[name].dicom(frame[: len(frame) // 2] + bytes(9)))
