"""The resize against the definition of an area average, in fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spark_cxr.images.prepare import resize, to_network

SIDES = st.integers(1, 23)


def picture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def averaged(line: list[Fraction], length: int) -> list[Fraction]:
    """Average a line by the definition: the share of each pixel that each cell covers."""
    edges = [Fraction(k * len(line), length) for k in range(length + 1)]
    cells = []
    for left, right in pairwise(edges):
        covers = [max(Fraction(0), min(right, i + 1) - max(left, i)) for i in range(len(line))]
        cells.append(sum(c * v for c, v in zip(covers, line, strict=True)) / (right - left))
    return cells


def interpolated(line: list[Fraction], length: int) -> list[Fraction]:
    """Interpolate a line between pixel centres, which lie at i + 1/2."""
    values = []
    for k in range(length):
        at = Fraction((2 * k + 1) * len(line), 2 * length) - Fraction(1, 2)
        at = min(max(at, Fraction(0)), Fraction(len(line) - 1))
        left = min(int(at), max(len(line) - 2, 0))
        right = min(left + 1, len(line) - 1)
        values.append(line[left] + (line[right] - line[left]) * (at - left))
    return values


def by_definition(pixels: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Resize one axis after the other with fractions, halves rounded up."""
    lines = [[Fraction(int(v)) for v in row] for row in pixels]
    for length in (size_hw[1], size_hw[0]):
        change = averaged if length <= len(lines[0]) else interpolated
        lines = [list(row) for row in zip(*[change(line, length) for line in lines], strict=True)]
    return np.array([[int(v + Fraction(1, 2)) for v in row] for row in lines], np.uint8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES, seed=st.integers(0, 99))
def test_resize_is_the_rounded_exact_average(height, width, new_height, new_width, seed):
    pixels = picture((height, width), seed)
    expected = by_definition(pixels, (new_height, new_width))
    np.testing.assert_array_equal(resize(pixels, (new_height, new_width)), expected)


@pytest.mark.parametrize(
    ("pixels", "size_hw", "expected"),
    [
        ([[0, 255], [255, 0]], (1, 1), [[128]]),  # 127.5, halves go up
        ([[0, 90, 180]], (1, 2), [[30, 150]]),  # (0 + 90 / 2) / 1.5, (90 / 2 + 180) / 1.5
        ([[0, 100]], (1, 4), [[0, 25, 75, 100]]),  # centres at 0.25, 0.75, 1.25, 1.75
        ([[0, 100], [100, 200]], (1, 4), [[50, 75, 125, 150]]),  # one axis down, one up
    ],
)
def test_resize_of_a_few_pixels_is_that_worked_out_by_hand(pixels, size_hw, expected):
    assert resize(np.array(pixels, np.uint8), size_hw).tolist() == expected


def test_whole_factor_is_what_pillow_reduces_to():
    pixels = picture((448, 448))
    reduced = np.asarray(Image.fromarray(pixels).reduce(2))
    np.testing.assert_array_equal(resize(pixels, (224, 224)), reduced)


def test_growing_is_what_pillow_interpolates_to():
    pixels = picture((200, 150))
    grown = Image.fromarray(pixels).resize((299, 299), Image.Resampling.BILINEAR)
    assert np.abs(resize(pixels, (299, 299)).astype(int) - np.asarray(grown)).max() <= 1


def test_large_film_is_exact_too():
    # Above 65,793 rows float32 would not hold the sums.
    pixels = np.full((70_000, 2), 255, np.uint8)
    assert (resize(pixels, (7, 2)) == 255).all()


@pytest.mark.parametrize("shape", [(700, 3), (2_600, 2)])
def test_area_of_many_lines_is_the_exact_average(shape):
    # The sums of 260 lines do not fit into 16 bits.
    pixels = picture(shape)
    pixels[-300:] = 255
    np.testing.assert_array_equal(resize(pixels, (9, 2)), by_definition(pixels, (9, 2)))


def test_flat_film_stays_flat():
    assert (resize(np.full((1024, 771), 77, np.uint8), (224, 224)) == 77).all()


def test_channels_are_resized_each_by_itself():
    pixels = picture((50, 40, 3))
    resized = resize(pixels, (17, 60))
    for channel in range(3):
        np.testing.assert_array_equal(
            resized[..., channel], resize(pixels[..., channel].copy(), (17, 60))
        )


def test_transposed_film_gives_the_transposed_result():
    pixels = picture((90, 41))
    np.testing.assert_array_equal(resize(pixels.T, (31, 64)), resize(pixels, (64, 31)).T)


def test_bands_of_work_leave_no_seams():
    # 3 x 40,000 samples a line: each band holds one line.
    pixels = picture((9, 40_000, 3))
    np.testing.assert_array_equal(
        resize(pixels, (4, 40_000))[:, :50], resize(pixels[:, :50].copy(), (4, 50))
    )


@pytest.mark.parametrize("shape", [(224, 224), (224, 224, 3)])
def test_fitting_film_is_handed_back(shape):
    pixels = picture(shape)
    assert resize(pixels, (224, 224)) is pixels


def test_grey_is_repeated_for_the_network():
    pixels = picture((60, 50))
    given_to_network = to_network(pixels, (20, 20))
    assert given_to_network.shape == (20, 20, 3)
    for channel in range(3):
        np.testing.assert_array_equal(given_to_network[..., channel], resize(pixels, (20, 20)))


def test_colour_goes_to_the_network_as_it_is():
    pixels = picture((20, 20, 3))
    np.testing.assert_array_equal(to_network(pixels, (20, 20)), pixels)


@pytest.mark.parametrize("shape", [(100, 80), (100, 80, 3), (32, 32)])
def test_result_is_contiguous_uint8(shape):
    result = to_network(picture(shape), (32, 32))
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
