"""JPEG 2000 at a lower resolution: only where it was asked for, never below what is enough."""

import numpy as np
import pytest

from spark_cxr.images import apart
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Film
from spark_cxr.images.formats import decode_here
from spark_cxr.images.prepare import resize
from tests.images.dicom_writer import dicom
from tests.images.encoded import ENCODED, FILM, Encoded, imagecodecs, jpeg_2000

ENOUGH_HW = (20, 20)
NAMES = [name for name in ENCODED if "2000" in name or "HTJ2K" in name]
EVEN = np.add.outer(np.arange(301) * 6, np.arange(275) * 8).astype("u2")
"""301 x 275: halves are rounded up."""


def encoded(kind: str, pixels: np.ndarray = EVEN, bits: int = 12, **options: int) -> Encoded:
    if kind == "HTJ2K":
        frame = imagecodecs.htj2k_encode(pixels, reversible=True, **options)
        return Encoded("1.2.840.10008.1.2.4.201", frame, pixels, bits)
    return Encoded("1.2.840.10008.1.2.4.90", jpeg_2000(pixels, bits, **options), pixels, bits)


def shape_at(film: Film) -> tuple[int, ...]:
    assert ("reduced" in film.flags) == (film.full_hw is not None)
    return film.pixels.shape


@pytest.mark.parametrize("name", NAMES)
def test_film_is_halved_as_long_as_it_is_larger_than_enough(name):
    film = decode(ENCODED[name].dicom(), enough_hw=ENOUGH_HW)
    assert film.flags == ("reduced",)
    assert (film.pixels.shape, film.file_hw) == ((48, 40), (96, 80))


@pytest.mark.parametrize("kind", ["JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize(
    ("enough_hw", "shape"),
    [
        ((20, 20), (38, 35)),
        ((37, 34), (38, 35)),
        ((38, 34), (76, 69)),  # not 38 rows: more than enough is wanted
        ((75, 69), (151, 138)),
        ((150, 138), (301, 275)),
        ((301, 275), (301, 275)),
        ((500, 1), (301, 275)),
    ],
)
def test_both_sides_exceed_what_is_enough(kind, enough_hw, shape):
    assert shape_at(decode_here(encoded(kind).dicom(), enough_hw=enough_hw)) == shape


@pytest.mark.parametrize("kind", ["JPEG 2000", "HTJ2K"])
def test_film_has_no_fewer_halves_than_its_file(kind):
    film = decode_here(encoded(kind, resolutions=2).dicom(), enough_hw=(20, 20))
    assert shape_at(film) in ((76, 69), (151, 138))


@pytest.mark.parametrize("kind", ["JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_smaller_film_does_not_turn_black_into_white(kind, dtype):
    """Wavelets overshoot at edges."""
    limits = np.iinfo(dtype)
    is_white = np.add.outer(np.arange(301), np.arange(275)) // 37 % 2 == 1
    pixels = np.where(is_white, limits.max, limits.min).astype(dtype)
    film = decode_here(encoded(kind, pixels, 8 * pixels.itemsize).dicom(), enough_hw=(140, 130))
    away = film.pixels.astype(int) - resize((is_white * 255).astype("u1"), film.pixels.shape)
    assert film.flags == ("reduced",)
    assert np.abs(away).max() <= 160


@pytest.mark.parametrize("kind", ["JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("is_signed", [False, True])
def test_smaller_film_looks_like_the_larger_one(kind, bits, is_signed):
    levels = np.rint(EVEN / EVEN.max() * (2**bits - 1)).astype(int)
    if is_signed:
        levels -= 2 ** (bits - 1)
    pixels = levels.astype(f"{'i' if is_signed else 'u'}{1 if bits == 8 else 2}")
    data = encoded(kind, pixels, bits).dicom()
    small, full = decode_here(data, enough_hw=(100, 100)), decode_here(data)
    assert (small.pixels.shape, full.pixels.shape) == ((151, 138), (301, 275))
    away = small.pixels.astype(int) - resize(full.pixels, (151, 138))
    assert np.abs(away).mean() < 1.5


def test_both_decoders_give_the_same_smaller_film():
    one, other = (
        decode_here(encoded(kind).dicom(), enough_hw=(40, 40)) for kind in ("JPEG 2000", "HTJ2K")
    )
    np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("name", [name for name in ENCODED if name not in NAMES])
def test_other_encodings_are_decoded_as_ever(name):
    data = ENCODED[name].dicom()
    small, full = (decode_here(data, enough_hw=hw) for hw in (ENOUGH_HW, None))
    np.testing.assert_array_equal(small.pixels, full.pixels)
    assert (small.flags, small.full_hw) == ((), None)


def test_native_film_is_decoded_as_ever():
    film = decode(dicom(FILM, BitsStored=12), enough_hw=ENOUGH_HW)
    assert (film.pixels.shape, film.flags) == (FILM.shape, ())


def test_colours_are_decoded_in_full():
    pixels = np.stack([EVEN >> 4] * 3, 2).astype("u1")
    film = decode_here(encoded("JPEG 2000", pixels, 8).dicom(), enough_hw=ENOUGH_HW)
    assert (film.pixels.shape, film.flags) == (pixels.shape, ())


def test_nobody_gets_a_smaller_film_unasked():
    film = decode(encoded("HTJ2K").dicom())
    assert (film.pixels.shape, film.flags) == (EVEN.shape, ())


LIES = """
import sys
from spark_cxr.images.apart import Decoded, receive, send
from dataclasses import asdict
receive(sys.stdin.buffer, 10**9)
send(sys.stdout.buffer, asdict(Decoded(format="dicom", bits=12, {0})), bytes(40 * 48))
"""


@pytest.mark.parametrize(
    ("facts", "enough_hw"),
    [
        ("shape=(40, 48), flags=('reduced',), full_hw=(80, 96)", None),
        ("shape=(40, 48), flags=('reduced',)", (20, 20)),
        ("shape=(40, 48), full_hw=(80, 96)", (20, 20)),
        ("shape=(40, 48), flags=('reduced',), full_hw=(80, 96)", (40, 20)),
        ("shape=(40 * 48,)", (20, 20)),
    ],
)
def test_child_that_lies_about_the_size_is_not_believed(monkeypatch, facts, enough_hw):
    monkeypatch.setattr(apart, "_CODE", LIES.format(facts))
    apart.close_children()
    with pytest.raises(Exception, match="ended_its_reader"):
        decode(ENCODED["HTJ2K"].dicom(), enough_hw=enough_hw)
