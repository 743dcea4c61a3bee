"""Identities of films, and what can be told from the hash alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_cxr.images.film import Film
from spark_cxr.images.fingerprint import dhash, distance, fingerprint, inverted, mirrored
from spark_cxr.images.prepare import resize


def film_of(pixels: np.ndarray) -> Film:
    return Film(pixels, "png", 8)


def picture(shape: tuple[int, ...] = (90, 83), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def bordered(seed: int) -> np.ndarray:
    """Make a film with black borders, whose cells are equal to their neighbours."""
    pixels = np.zeros((80, 90), np.uint8)
    pixels[10:60, 20:50] = picture((50, 30), seed)
    return pixels


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


def test_bits_say_which_cells_are_lighter_than_their_right_neighbour():
    cells = np.tile(np.array([9, 8, 9, 8, 9, 8, 9, 8, 9], np.uint8), (8, 1))
    assert dhash(cells) & (2**64 - 1) == 0xAAAAAAAAAAAAAAAA


def test_top_left_is_the_sign():
    cells = np.tile(np.arange(9, dtype=np.uint8), (8, 1))
    assert dhash(cells) == 0
    cells[0, 0] = 50
    assert dhash(cells) == -(2**63)


@pytest.mark.parametrize("seed", range(5))
def test_hash_fits_a_bigint(seed):
    assert -(2**63) <= dhash(picture(seed=seed)) < 2**63


def test_colours_count_by_their_luma():
    # Green 100 is 58.7, red 100 is 29.9: left is lighter than right everywhere.
    left, right = (0, 100, 0), (100, 0, 0)
    cells = np.array([[left, right] * 4 + [left]] * 8, np.uint8)
    assert dhash(cells) & (2**64 - 1) == 0xAAAAAAAAAAAAAAAA


@pytest.mark.parametrize("make", [lambda seed: picture(seed=seed), bordered])
@pytest.mark.parametrize("seed", range(20))
def test_hash_of_the_mirror_image_follows_from_the_hash(make, seed):
    pixels = make(seed)
    assert dhash(pixels[:, ::-1].copy()) == mirrored(dhash(pixels))


@pytest.mark.parametrize("make", [lambda seed: picture(seed=seed), bordered])
@pytest.mark.parametrize("seed", range(20))
def test_hash_of_the_negative_follows_from_the_hash(make, seed):
    pixels = make(seed)
    assert dhash(255 - pixels) == inverted(dhash(pixels))


@given(st.integers(-(2**63), 2**63 - 1))
@settings(derandomize=True)
def test_twice_mirrored_and_twice_inverted_is_the_same(value):
    assert mirrored(mirrored(value)) == value
    assert inverted(inverted(value)) == value
    assert mirrored(inverted(value)) == inverted(mirrored(value))


@pytest.mark.parametrize(
    ("one", "other", "bits"), [(0, 0, 0), (0, 1, 1), (-1, 0, 64), (-(2**63), 0, 1), (5, -5, 63)]
)
def test_distance_counts_differing_bits(one, other, bits):
    assert distance(one, other) == bits


def test_smaller_copy_has_nearly_the_same_hash():
    smooth = resize(picture((12, 12)), (600, 500))
    assert distance(dhash(smooth), dhash(resize(smooth, (224, 224)))) <= 2


def test_other_film_has_another_hash():
    one, other = resize(picture((12, 12)), (200, 200)), resize(picture((12, 12), 1), (200, 200))
    assert distance(dhash(one), dhash(other)) > 15


def test_flat_film_has_a_hash():
    assert dhash(np.full((40, 40), 7, np.uint8)) == 0
