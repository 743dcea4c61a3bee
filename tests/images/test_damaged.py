"""Films that lack a part are refused; films with a scratch are flagged, and look as before."""

import io

import numpy as np
import pytest
from dicom_writer import compressed, dicom, encapsulated
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEGBaseline8Bit
from raster_writer import saved

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.phantoms import phantoms

END = b"\xff\xd9"
GREY = np.add.outer(np.arange(120), np.arange(160)).astype("u1")
KINDS = {
    "grey": (Image.fromarray(GREY), {}),
    "progressive": (Image.fromarray(GREY), {"progressive": True}),
    "colour": (Image.fromarray(np.stack([GREY, GREY[::-1], GREY[:, ::-1]], 2)), {}),
    "fine colour": (Image.fromarray(np.stack([GREY] * 3, 2)), {"subsampling": 0}),
}


def jpeg(kind: str) -> bytes:
    image, options = KINDS[kind]
    return saved(image, "JPEG", quality=95, **options)


def reason(data: bytes) -> str:
    try:
        film = decode(data)
    except BadImage as bad:
        return bad.reason
    return "damaged" if "damaged" in film.flags else "film"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_jpeg_cut_and_ended_is_truncated(kind, share):
    data = jpeg(kind)
    cut = data[: int(len(data) * share)] + END
    assert reason(cut) in ("truncated", "corrupt" if kind == "progressive" else "truncated")


@pytest.mark.parametrize("kind", KINDS)
def test_whole_jpeg_has_the_pixels_that_pillow_gives_it(kind):
    data = jpeg(kind)
    assert reason(data) == "film"
    np.testing.assert_array_equal(decode(data).pixels, np.asarray(Image.open(io.BytesIO(data))))


def test_jpeg_with_more_data_than_its_picture_takes_is_flagged_and_looks_as_before():
    data = jpeg("grey")
    more = data[: -len(END)] + bytes(range(1, 40)) + END
    assert reason(more) == "damaged"
    np.testing.assert_array_equal(decode(more).pixels, decode(data).pixels)


def test_jpegs_with_bytes_zeroed_are_heard_of():
    films = [each.data for each in phantoms(40, seed=3, size=128, formats=("jpeg",), bad=0)]
    heard = 0
    for data in films:
        at = len(data) * 2 // 3
        heard += reason(data[:at] + bytes(64) + data[at + 64 :]) != "film"
    assert [reason(data) for data in films] == ["film"] * len(films)
    assert heard == len(films)


def test_flat_part_that_is_coded_as_zeros_is_no_gap():
    framed = np.zeros((400, 1000), "u1")
    framed[196:204, 496:504] = np.random.default_rng(0).integers(0, 255, (8, 8))
    data = saved(Image.fromarray(framed), "JPEG", optimize=True)
    assert bytes(16) in data[data.index(b"\xff\xda") :]
    assert reason(data) == "film"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_jpeg_in_dicom_that_ends_early_is_truncated(share):
    frame = jpeg("grey")
    cut = frame[: max(700, int(len(frame) * share))] + END
    assert reason(encapsulated(cut, GREY, JPEGBaseline8Bit)) == "truncated"
    assert reason(encapsulated(frame, GREY, JPEGBaseline8Bit)) == "film"


@pytest.mark.parametrize("syntax", ["JPEGLSLossless", "JPEG2000Lossless", "RLELossless"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_frame_in_dicom_that_ends_early_is_refused(syntax, share):
    pytest.importorskip("gdcm")
    pixels = np.random.default_rng(0).integers(0, 4096, (90, 70)).astype("u2")
    dataset = dcmread(io.BytesIO(compressed(dicom(pixels, BitsStored=12), syntax)))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([frame[: int(len(frame) * share)] + END])
    written = io.BytesIO()
    dataset.save_as(written)
    assert reason(written.getvalue()) in ("truncated", "corrupt")
