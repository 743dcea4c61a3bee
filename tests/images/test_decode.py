"""PNG, JPEG, TIFF, BMP and WebP against grey levels worked out by hand."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raster_writer import flat, png, saved

from spark_cxr.errors import BadImage
from spark_cxr.images import raster
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits

SMALL = Limits(min_side=1)
TRIPLES = [[[1, 2, 3], [250, 0, 9]]]


def grey(values: list[list[int]], dtype: str = "u1") -> Image.Image:
    return Image.fromarray(np.array(values, dtype))


def palette(**options) -> bytes:
    image = Image.frombytes("P", (2, 1), bytes([0, 1]))
    image.putpalette([10, 20, 30, 200, 100, 50])
    return saved(image, "PNG", **options)


# A file, and what is to be seen in it; halves are rounded up.
GOLDEN = {
    "PNG 1 bit": (saved(grey([[0, 255, 255]]).convert("1"), "PNG"), [[0, 255, 255]]),
    "PNG 8 bits": (saved(grey([[0, 7, 255]]), "PNG"), [[0, 7, 255]]),
    # 2 bits: n / 3 * 255
    "PNG 2 bits": (png((4, 1), 2, 0, bytes([0b00011011])), [[0, 85, 170, 255]]),
    # 128 / 257 = 0.498, 129 / 257 = 0.502, 32896 / 257 = 128; the low bytes are not the film
    "PNG 16 bits": (
        saved(grey([[0, 128, 129, 32896, 65535]], "u2"), "PNG"),
        [[0, 0, 1, 128, 255]],
    ),
    "PNG 16 bits, dark": (saved(grey([[0, 257, 514]], "u2"), "PNG"), [[0, 1, 2]]),
    "PNG 16 bits, one value transparent": (
        png((2, 1), 16, 0, b"\xff\xff\x80\x80", (b"tRNS", b"\xff\xff")),
        [[0, 128]],
    ),
    "PNG palette": (palette(), [[[10, 20, 30], [200, 100, 50]]]),
    # 200 * 128 / 255 = 100.39, 100 * 128 / 255 = 50.2, 50 * 128 / 255 = 25.1
    "PNG palette, transparent": (
        palette(transparency=bytes([0, 128])),
        [[[0, 0, 0], [100, 50, 25]]],
    ),
    "PNG grey and alpha": (
        saved(Image.fromarray(np.array([[[200, 255], [200, 128], [200, 0]]], "u1"), "LA"), "PNG"),
        [[200, 100, 0]],
    ),
    "PNG grey, one value transparent": (
        saved(grey([[0, 7, 255]]), "PNG", transparency=255),
        [[0, 7, 0]],
    ),
    "PNG RGB": (saved(Image.fromarray(np.array(TRIPLES, "u1")), "PNG"), TRIPLES),
    # 255 * 51 / 255 = 51, 100 * 51 / 255 = 20
    "PNG RGBA on black": (
        saved(Image.fromarray(np.array([[[255, 100, 0, 51]]], "u1")), "PNG"),
        [[[51, 20, 0]]],
    ),
    # Pillow keeps the high byte: within one grey level of the quotient by 257.
    "PNG RGB of 16 bits": (png((1, 1), 16, 2, b"\x80\x80\xff\xff\x00\xff"), [[[128, 255, 0]]]),
    "JPEG grey": (saved(flat(100, "L"), "JPEG"), [[100] * 8] * 8),
    # (255 - 51) * (255 - 0) / 255 = 204 and so on; Adobe's files hold the inverse.
    "JPEG CMYK": (
        saved(flat((51, 102, 204, 0), "CMYK"), "JPEG", quality=100),
        [[[204, 153, 51]] * 8] * 8,
    ),
    # (255 - 0) * (255 - 155) / 255 = 100
    "JPEG CMYK, black ink": (
        saved(flat((0, 0, 0, 155), "CMYK"), "JPEG", quality=100),
        [[[100, 100, 100]] * 8] * 8,
    ),
    "TIFF grey": (saved(grey([[0, 7, 255]]), "TIFF"), [[0, 7, 255]]),
    "TIFF 16 bits": (saved(grey([[0, 129, 65535]], "u2"), "TIFF"), [[0, 1, 255]]),
    # Photometric 0: white is zero.
    "TIFF 16 bits, white is 0": (
        saved(grey([[0, 129, 65535]], "u2"), "TIFF", tiffinfo={262: 0}),
        [[255, 254, 0]],
    ),
    "TIFF RGB, LZW": (
        saved(Image.fromarray(np.array(TRIPLES, "u1")), "TIFF", compression="tiff_lzw"),
        TRIPLES,
    ),
    "TIFF CMYK": (saved(flat((51, 102, 204, 0), "CMYK", 1), "TIFF"), [[[204, 153, 51]]]),
    "BMP grey": (saved(grey([[0, 7, 255]]), "BMP"), [[0, 7, 255]]),
    "BMP RGB": (saved(Image.fromarray(np.array(TRIPLES, "u1")), "BMP"), TRIPLES),
    "WebP lossless": (
        saved(Image.fromarray(np.array(TRIPLES, "u1")), "WEBP", lossless=True),
        TRIPLES,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_pixels_are_those_worked_out_by_hand(name):
    data, seen = GOLDEN[name]
    film = decode(data, SMALL)
    assert film.pixels.dtype == np.uint8
    assert film.pixels.tolist() == seen


@pytest.mark.parametrize("name", [name for name in GOLDEN if "16 bits" in name])
def test_values_of_16_bits_are_those_of_the_pixels(name):
    data, seen = GOLDEN[name]
    values = decode(data, SMALL, values_side=64).values
    if "RGB" in name:
        assert values is None  # Pillow has 8 bits of each colour
        return
    assert values.scale.top == values.scale.white == 65535
    assert np.floor(values.values / 65535 * 255 + 0.5).tolist() == seen


def test_jpeg_rgb_keeps_its_colours():
    film = decode(saved(flat((200, 40, 10), "RGB"), "JPEG", quality=100), SMALL)
    assert np.abs(film.pixels.astype(int) - [200, 40, 10]).max() <= 2


@pytest.mark.parametrize(
    ("name", "film_format", "bits"),
    [
        *(("PNG 1 bit", "png", 1), ("PNG 16 bits", "png", 16), ("JPEG grey", "jpeg", 8)),
        *(("TIFF 16 bits", "tiff", 16), ("BMP RGB", "bmp", 8), ("WebP lossless", "webp", 8)),
        *(("PNG RGB of 16 bits", "png", 16), ("PNG 2 bits", "png", 2)),
    ],
)
def test_film_says_format_and_bits_of_the_file(name, film_format, bits):
    film = decode(GOLDEN[name][0], SMALL)
    assert (film.format, film.bits) == (film_format, bits)


# By EXIF 2.3, 4.6.4: where the first stored row and column lie in the upright picture.
STORED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied(orientation, file_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    film = decode(saved(grey(STORED[orientation]), file_format, exif=exif), SMALL)
    assert film.pixels.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_of_a_jpeg_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(np.array(STORED[orientation], "u1") * 30, np.ones((8, 8), "u1"))
    film = decode(saved(Image.fromarray(blocks), "JPEG", exif=exif), SMALL)
    assert (film.pixels[4::8, 4::8] // 30).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_nonsense_as_orientation_turns_nothing():
    exif = Image.Exif()
    exif[0x0112] = 77
    assert decode(saved(grey([[1, 2]]), "PNG", exif=exif), SMALL).pixels.tolist() == [[1, 2]]


def test_broken_exif_costs_no_film():
    data = saved(flat(100, "L"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30))
    assert decode(data, SMALL).pixels.shape == (8, 8)


def test_decoding_runs_out_of_memory_with_a_reason(monkeypatch):
    def fail(*_args):
        raise MemoryError

    monkeypatch.setattr(raster, "_pixels", fail)
    with pytest.raises(BadImage, match="out_of_memory: png, "):
        decode(GOLDEN["PNG RGB"][0], SMALL)


def test_pydicom_is_not_imported_with_the_module():
    code = "import sys, spark_cxr.images.decode; sys.exit('pydicom' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


KNOWN_SIZES = {"nih-1024-png": (1024, 1024), "radiography-256": (256, 256)}


def test_every_original_decodes_with_its_known_size(shared_data: Path):
    files = [path for path in (shared_data / "originals").rglob("*") if path.is_file()]
    assert len(files) == 81
    for path in files:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            size_hw = image.height, image.width
        expected = KNOWN_SIZES.get(path.relative_to(shared_data).parts[1], size_hw)
        assert decode(data).pixels.shape[:2] == expected, path.name
