"""Files that are no film, and the reason given for each."""

import io
import struct
import threading
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image
from raster_writer import flat, png, saved

from spark_cxr.errors import BadImage
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits

NOISE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8))
FORMATS = ["PNG", "JPEG", "TIFF", "BMP", "WEBP"]


def refused(data: bytes, limits: Limits | None = None) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decode(data, limits or Limits())
    return caught.value


def zip_archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("film.png", saved(NOISE, "PNG"))
    return buffer.getvalue()


def test_no_bytes_are_empty():
    assert refused(b"").reason == "empty"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (saved(NOISE, "GIF"), "a GIF"),
        (saved(NOISE, "JPEG2000"), "a JPEG 2000 file"),
        (b"%PDF-1.7\n" + bytes(500), "a PDF"),
        (zip_archive(), "a zip archive"),
        (b"<!DOCTYPE html><html></html>", "markup"),
        (b"path,label\na.png,Normal\n", "no known image format"),
        (b"BMI of the patients: see the other table, it is in there.", "no known image format"),
        (b"\0", "no known image format"),
    ],
)
def test_what_is_no_image_is_named(data, name):
    error = refused(data)
    assert error.reason == "not_an_image"
    assert error.detail.startswith(name)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_file_is_truncated(file_format, share):
    data = saved(NOISE, file_format)
    if file_format == "TIFF":  # Pillow writes the directory in front, most others behind
        assert refused(data[: int(len(data) * share)]).reason in ("truncated", "corrupt")
    else:
        assert refused(data[: int(len(data) * share)]).reason == "truncated"


def test_wrong_checksum_is_corrupt():
    data = bytearray(saved(NOISE, "PNG"))
    data[len(data) // 2] ^= 1
    assert refused(bytes(data)).reason == "corrupt"


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP"])
def test_noise_behind_a_magic_is_corrupt_or_truncated(magic):
    noise = np.random.default_rng(1).bytes(300)
    assert refused(magic + noise).reason in ("corrupt", "truncated")


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size + bytes(40)


def bmp_header(width: int, height: int) -> bytes:
    head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        png((60_000, 60_000), 8, 0, bytes(10)),
        webp_header(16_000, 16_000),
        bmp_header(60_000, 60_000),
    ],
)
def test_bomb_is_refused_by_its_header(data):
    error = refused(data)
    assert error.reason == "too_large"
    assert "at most 100000000" in error.detail


def test_limit_of_pixels_is_the_callers():
    assert refused(saved(NOISE, "PNG"), Limits(max_pixels=4095)).reason == "too_large"
    assert decode(saved(NOISE, "PNG"), Limits(max_pixels=4096)).pixels.shape == (64, 64)


@pytest.mark.parametrize("file_format", FORMATS)
def test_pillows_own_limit_raises_no_warning(file_format, monkeypatch):
    # Pillow warns above its limit and fails above twice its limit; the film has 4,096 pixels.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert decode(saved(NOISE, file_format)).pixels.shape[:2] == (64, 64)


def test_size_above_pillows_own_limit_is_the_callers_choice(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decode(saved(NOISE, "PNG")).pixels.shape == (64, 64)


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP"])
def test_limit_that_pillow_insists_on_is_named(file_format, monkeypatch):
    data = saved(NOISE, file_format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "MAX_IMAGE_PIXELS" in refused(data).detail


@pytest.mark.parametrize("file_format", FORMATS)
def test_side_below_the_minimum_is_too_small(file_format):
    assert refused(saved(flat(7, "L", 31), file_format)).reason == "too_small"
    assert decode(saved(flat(7, "L", 32), file_format)).pixels.shape[:2] == (32, 32)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_more_than_one_picture_is_multi_frame(file_format):
    other = Image.fromarray(np.asarray(NOISE)[::-1].copy())
    data = saved(NOISE, file_format, save_all=True, append_images=[other])
    assert refused(data).reason == "multi_frame"


@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_samples_without_nominal_range_are_refused(dtype):
    data = saved(Image.fromarray(np.ones((64, 64), dtype)), "TIFF")
    assert refused(data).reason == "unsupported_photometric"


def test_details_are_short():
    data = saved(NOISE, "PNG")
    assert len(refused(data[:200] + b"\xff" * 400).detail) < 100


def test_threads_decode_side_by_side():
    data = [saved(Image.fromarray(np.full((64, 64), n, "u1")), "PNG") for n in range(8)]
    wrong = []

    def work(n):
        for _ in range(20):
            if decode(data[n]).pixels.max() != n:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_other_peoples_warnings_still_come_through():
    decode(saved(NOISE, "PNG"))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
