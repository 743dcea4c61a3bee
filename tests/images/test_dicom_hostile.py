"""DICOM files that break, lie or attack."""

import io
import logging
import struct
import warnings
import zlib

import numpy as np
import pytest
from dicom_writer import dataset_of, dicom, encapsulated, saved
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits

PIXELS = np.arange(40 * 40, dtype="u2").reshape(40, 40)


def refused(data: bytes, limits: Limits | None = None) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decode(data, limits or Limits())
    return caught.value


def reason(data: bytes, limits: Limits | None = None) -> str:
    return refused(data, limits).reason


def test_size_is_refused_before_pixels_are_looked_at():
    assert reason(dicom(PIXELS, Rows=65535, Columns=65535)) == "too_large"


def test_small_size_is_refused():
    assert reason(dicom(PIXELS[:, :31])) == "too_small"


def test_several_frames_are_refused():
    assert reason(dicom(PIXELS, NumberOfFrames="2")) == "multi_frame"


def test_a_number_of_frames_beyond_reason_is_refused():
    assert reason(dicom(PIXELS, NumberOfFrames="999999999")) == "multi_frame"


def test_one_frame_said_outright_is_fine():
    assert decode(dicom(PIXELS, NumberOfFrames="1")).pixels.shape == (40, 40)


def test_object_without_pixels_is_refused():
    assert reason(saved(dataset_of(PIXELS))) == "no_pixel_data"


@pytest.mark.parametrize(
    ("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")]
)
def test_floating_point_pixels_are_refused(keyword, dtype):
    dataset = dataset_of(PIXELS)
    setattr(dataset, keyword, PIXELS.astype(dtype).tobytes())
    assert reason(saved(dataset)) == "unsupported_photometric"


def test_fewer_pixels_than_said_are_corrupt():
    assert reason(dicom(PIXELS, Rows=41)) == "corrupt"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_cut_file_is_truncated(share):
    data = dicom(PIXELS)
    assert reason(data[: int(len(data) * share)]) == "truncated"


def test_cut_compressed_file_is_truncated():
    frame = io.BytesIO()
    Image.fromarray(PIXELS.astype("u1")).save(frame, "JPEG")
    data = encapsulated(frame.getvalue(), PIXELS.astype("u1"), JPEGBaseline8Bit)
    assert reason(data[:-200]) == "truncated"


@pytest.mark.parametrize(
    "tags",
    [
        *({"BitsStored": 17, "HighBit": 16}, {"BitsAllocated": 12}, {"SamplesPerPixel": 2}),
        *({"Rows": None}, {"PhotometricInterpretation": None}, {"RescaleSlope": "0"}),
        {"RescaleSlope": "1e308", "RescaleIntercept": "-1e308"},
    ],
)
def test_header_that_contradicts_itself_is_corrupt(tags):
    assert reason(dicom(PIXELS, **tags)) == "corrupt"


def test_noise_behind_the_magic_is_corrupt():
    noise = np.random.default_rng(0).bytes(5000)
    assert reason(bytes(128) + b"DICM" + noise) in ("corrupt", "truncated")


def test_frame_that_says_another_size_is_corrupt():
    frame = io.BytesIO()
    Image.fromarray(np.zeros((400, 400), "u1")).save(frame, "JPEG")
    data = encapsulated(frame.getvalue(), PIXELS.astype("u1"), JPEGBaseline8Bit)
    assert "differ in size" in refused(data).detail


def test_nested_sequences_end_in_bad_image():
    # Each level is an undefined-length sequence with one undefined-length item.
    level = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    level += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    whole = dicom(PIXELS)
    start = 144 + int.from_bytes(whole[140:144], "little")
    assert reason(whole[:start] + level * 20_000 + whole[start:]) in ("corrupt", "truncated")


def test_deflated_bomb_is_refused():
    whole = dicom(PIXELS, DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(whole[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(squeeze.compress(bytes(1_000_000)) for _ in range(20)) + squeeze.flush()
    assert reason(whole[:start] + bomb, Limits(max_pixels=10_000)) == "too_large"


def test_unregistered_transfer_syntax_is_refused():
    data = dicom(PIXELS).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    assert reason(data) == "unsupported_transfer_syntax"


def test_bytes_that_only_begin_like_dicom_are_no_image():
    text = struct.pack("<HH2sH", 8, 5, b"CS", 10) + b"ISO_IR 100" + b"and then some text" * 9
    assert reason(text) in ("not_an_image", "corrupt", "truncated")


def secret_dataset() -> bytes:
    """Build a data set whose values pydicom complains about, quoting them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dataset_of(PIXELS, PatientID="SECRET" * 20, RescaleSlope="1")
        dataset.add_new("WindowCenter", "LO", "SECRET")
        dataset.add_new("WindowWidth", "LO", "SECRET")
        dataset.PixelData = PIXELS.tobytes()
        dataset["PixelData"].VR = "OW"
        data = saved(dataset)
    return data.replace(b"LO\x06\0SECRET", b"DS\x06\0SECRET")


def test_tag_values_are_neither_logged_nor_warned_about(caplog, recwarn):
    data = secret_dataset()
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    decode(data)
    assert caplog.records == []
    assert len(recwarn) == 0


def test_tag_values_are_not_in_the_detail():
    data = secret_dataset().replace(b"DS\x02\x001 ", b"DS\x02\0Q@")
    assert "Q@" not in refused(data).detail


def test_warnings_as_errors_do_not_cost_the_film():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(secret_dataset()).flags == ("window_ignored",)
