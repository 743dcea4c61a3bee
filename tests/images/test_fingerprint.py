"""Identities of films."""

import hashlib

import numpy as np

from spark_cxr.images.film import Film
from spark_cxr.images.fingerprint import fingerprint


def film_of(pixels: np.ndarray) -> Film:
    return Film(pixels, "png", 8)


def picture(shape: tuple[int, ...] = (90, 83), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_sha256_is_that_of_the_bytes():
    expected = hashlib.sha256(b"some file").hexdigest()
    assert fingerprint(b"some file", film_of(picture())).sha256 == expected


def test_pixel_digest_is_that_of_shape_and_pixels():
    pixels = np.array([[1, 2, 3]], np.uint8)
    expected = hashlib.sha256(b"1x3:\x01\x02\x03").hexdigest()
    assert fingerprint(b"", film_of(pixels)).pixels_sha256 == expected


def test_pixel_digest_depends_on_the_shape():
    flat = fingerprint(b"", film_of(np.zeros((2, 8), np.uint8)))
    tall = fingerprint(b"", film_of(np.zeros((8, 2), np.uint8)))
    assert flat.pixels_sha256 != tall.pixels_sha256


def test_grey_stored_as_colour_is_the_same_film():
    grey = picture()
    colour = np.repeat(grey[..., None], 3, axis=2)
    one, other = fingerprint(b"x", film_of(grey)), fingerprint(b"x", film_of(colour))
    assert one == other


def test_one_coloured_pixel_makes_another_film():
    colour = np.repeat(picture()[..., None], 3, axis=2)
    colour[0, 0] = (1, 2, 3)
    grey = fingerprint(b"", film_of(picture()))
    assert fingerprint(b"", film_of(colour)).pixels_sha256 != grey.pixels_sha256
