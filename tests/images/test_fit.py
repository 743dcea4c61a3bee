"""Fitting films to networks: sizes, offsets, borders, and which part of the film came through."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spark_cxr.errors import ConfigError
from spark_cxr.images.fit import FRAMES, RESAMPLERS, Fit, fitted, shown_box
from spark_cxr.images.prepare import resize, to_network

SHAPES = [(1, 1), (1, 40), (40, 1), (31, 64), (64, 31), (33, 33), (64, 64), (90, 57, 3), (7, 9, 3)]
SIDES = st.integers(1, 90)
MANY = settings(max_examples=60, deadline=None, derandomize=True)


def picture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    """Draw a film whose level says where a pixel lies from left to right."""
    return np.repeat(np.arange(width, dtype=np.uint8)[None], height, axis=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size_hw", [(32, 32), (64, 31), (1, 1), (80, 100)])
def test_squash_by_area_is_the_resize_of_the_project(shape, size_hw):
    pixels = picture(shape)
    film = fitted(pixels, Fit(size_hw))
    np.testing.assert_array_equal(film, resize(pixels, size_hw))
    three = film if film.ndim == 3 else np.repeat(film[..., None], 3, axis=2)
    np.testing.assert_array_equal(three, to_network(pixels, size_hw))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("how", "resample"), list(itertools.product(FRAMES, RESAMPLERS)))
def test_every_fit_gives_the_size_for_every_shape(shape, how, resample):
    pixels = picture(shape)
    for rounded, size_hw in ((True, (16, 16)), (False, (17, 17)), (True, (12, 20))):
        film = fitted(pixels, Fit(size_hw, how, resample=resample, rounded=rounded))
        assert film.shape == (*size_hw, *shape[2:])
        assert film.dtype == (np.uint8 if rounded else np.float32)
        assert film.flags.c_contiguous
        assert film.flags.writeable
        assert film.min() >= 0
        assert film.max() <= 255


@pytest.mark.parametrize("resample", RESAMPLERS)
@pytest.mark.parametrize("shape", [(90, 57), (31, 64, 3), (8, 9)])
def test_levels_that_are_not_rounded_are_those_before_rounding(resample, shape):
    pixels = picture(shape) // 4 + 96  # far enough from black and white, where Pillow clips
    whole = fitted(pixels, Fit((24, 20), resample=resample)).astype(float)
    levels = fitted(pixels, Fit((24, 20), resample=resample, rounded=False))
    # Pillow rounds after each axis.
    assert np.abs(whole - levels).max() <= (0.51 if resample in ("area", "gaussian") else 1.25)
    assert np.abs(whole - levels).max() > 0


@pytest.mark.parametrize("resample", RESAMPLERS)
def test_colour_is_fitted_a_channel_at_a_time(resample):
    grey = picture((57, 91))
    colour = np.stack([grey] * 3, axis=2)
    for rounded in (True, False):
        fit = Fit((20, 20), "crop", resample=resample, rounded=rounded)
        expected = np.repeat(fitted(grey, fit)[..., None], 3, axis=2)
        np.testing.assert_array_equal(fitted(colour, fit), expected)


@pytest.mark.parametrize("resample", RESAMPLERS)
@pytest.mark.parametrize("how", ["squash", "crop", "shortest", "shortest_edge", "pad"])
def test_a_film_of_the_right_size_stays_as_it_is(resample, how):
    pixels = picture((24, 24))
    np.testing.assert_array_equal(fitted(pixels, Fit((24, 24), how, resample=resample)), pixels)


@pytest.mark.parametrize("resample", RESAMPLERS)
@pytest.mark.parametrize("level", [0, 90, 255])
def test_an_even_film_stays_even(resample, level):
    pixels = np.full((61, 47), level, np.uint8)
    film = fitted(pixels, Fit((16, 16), "crop", resample=resample))
    np.testing.assert_array_equal(film, np.full((16, 16), level))


@pytest.mark.parametrize(
    ("film_hw", "top_left"),
    # Where torchxrayvision begins: whole // 2 - part // 2.
    [((4, 7), (0, 1)), ((5, 8), (0, 2)), ((4, 9), (0, 2)), ((5, 10), (0, 3)), ((10, 5), (3, 0))],
)
def test_crop_begins_where_torchxrayvision_begins(film_hw, top_left):
    side = min(film_hw)
    (top, left), pixels = top_left, picture(film_hw)
    film = fitted(pixels, Fit((side, side), "crop"))
    np.testing.assert_array_equal(film, pixels[top : top + side, left : left + side])


@pytest.mark.parametrize(
    ("how", "rest", "begin"),
    # torchvision: int(round(rest / 2)), where Python's halves go to even; Hugging Face: rest // 2.
    [("shortest", rest, round(rest / 2)) for rest in range(8)]
    + [("shortest_edge", rest, rest // 2) for rest in range(8)],
)
def test_the_centre_begins_where_the_libraries_begin(how, rest, begin):
    pixels = ramp(24, 24 + rest)
    film = fitted(pixels, Fit((24, 24), how))
    assert film[0, 0] == begin
    assert shown_box(Fit((24, 24), how), pixels.shape) == (0, begin, 24, begin + 24)


def test_the_two_ways_to_round_an_offset_differ_by_a_pixel():
    pixels = ramp(24, 27)
    starts = [fitted(pixels, Fit((24, 24), how))[0, 0] for how in ("shortest", "shortest_edge")]
    assert starts == [2, 1]


@pytest.mark.parametrize("film_hw", [(91, 64), (64, 91), (50, 50), (33, 100)])
def test_shortest_is_a_resize_of_the_shorter_side_and_a_cut(film_hw):
    pixels = picture(film_hw)
    film = fitted(pixels, Fit((28, 28), "shortest", edge=32, resample="bicubic"))
    height, width = (
        (32, 32 * film_hw[1] // film_hw[0])
        if film_hw[0] <= film_hw[1]
        else (32 * film_hw[0] // film_hw[1], 32)
    )
    resized = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
    top, left = round((height - 28) / 2), round((width - 28) / 2)
    np.testing.assert_array_equal(film, resized[top : top + 28, left : left + 28])


@pytest.mark.parametrize("film_hw", [(91, 64), (64, 91), (1, 90)])
def test_pad_keeps_the_aspect_between_black_borders(film_hw):
    pixels = np.full(film_hw, 200, np.uint8)
    film = fitted(pixels, Fit((40, 40), "pad"))
    ratio = max(film_hw) / 40
    height, width = (max(1, round(side / ratio)) for side in film_hw)
    assert (film == 200).sum() == height * width
    assert (film == 0).sum() == 1600 - height * width
    top, left = (40 - height) // 2, (40 - width) // 2
    assert (film[top : top + height, left : left + width] == 200).all()


def test_a_gaussian_meets_mid_grey_beyond_the_border():
    black, white = np.zeros((80, 80), np.uint8), np.full((80, 80), 255, np.uint8)
    half = black.copy()
    half[40:] = 255
    levels = fitted(half, Fit((20, 20), resample="gaussian", rounded=False))
    assert levels[0, 10] > 5
    assert levels[5, 10] == 0
    assert levels[-1, 10] < 250
    for even in (black, white):
        film = fitted(even, Fit((20, 20), resample="gaussian", rounded=False))
        assert np.unique(film).size == 1


def blurred_and_picked(line: np.ndarray, length: int) -> np.ndarray:
    """Do it by the book: blur a line with mid grey around it, then interpolate between pixels."""
    factor = len(line) / length
    sigma = max(0.0, (factor - 1) / 2)
    radius = int(4 * sigma + 0.5)
    padded = np.concatenate([np.full(radius, 127.5), line, np.full(radius, 127.5)])
    if radius:
        kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        padded = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    around = np.concatenate([[127.5], padded, [127.5]])
    return np.interp((np.arange(length) + 0.5) * factor + 0.5, np.arange(len(around)), around)


@MANY
@given(height=SIDES, width=SIDES, new_height=st.integers(1, 40), new_width=st.integers(1, 40))
def test_a_gaussian_is_a_blur_and_an_interpolation(height, width, new_height, new_width):
    pixels = picture((height, width)).astype(float)
    expected = np.apply_along_axis(blurred_and_picked, 0, pixels, new_height)
    expected = np.apply_along_axis(blurred_and_picked, 1, expected, new_width)
    expected = expected.clip(pixels.min(), pixels.max())
    fit = Fit((new_height, new_width), resample="gaussian", rounded=False)
    np.testing.assert_allclose(fitted(pixels.astype(np.uint8), fit), expected, atol=1e-4)


def test_a_gaussian_that_grows_only_interpolates():
    """Beyond the border lies mid grey, half a new pixel's way of it."""
    levels = fitted(picture((2, 2)), Fit((4, 4), resample="gaussian", rounded=False))
    pixels = picture((2, 2)).astype(float)
    inner = [0.75 * pixels[0] + 0.25 * pixels[1], 0.25 * pixels[0] + 0.75 * pixels[1]]
    rows = np.stack(inner)
    columns = 0.75 * rows[:, 0] + 0.25 * rows[:, 1], 0.25 * rows[:, 0] + 0.75 * rows[:, 1]
    np.testing.assert_allclose(levels[1:3, 1:3], np.stack(columns, axis=1), atol=1e-4)


@MANY
@given(height=SIDES, width=SIDES, how=st.sampled_from(sorted(FRAMES)), side=st.integers(1, 40))
def test_the_box_lies_where_the_frame_says(height, width, how, side):
    top, left, bottom, right = shown_box(Fit((side, side), how), (height, width))
    if how == "squash":
        assert (top, left, bottom, right) == (0, 0, height, width)
    if how == "pad":
        assert top <= 0
        assert left <= 0
        assert bottom >= height - 1e-9
        assert right >= width - 1e-9
    if how in ("crop", "shortest", "shortest_edge"):
        assert 0 <= top < bottom <= height + 1e-9
        assert 0 <= left < right <= width + 1e-9


@MANY
@given(at=st.tuples(st.integers(8, 71), st.integers(8, 47)), how=st.sampled_from(sorted(FRAMES)))
def test_a_mark_of_the_film_is_found_through_the_box(at, how):
    """Where a bright spot appears in the network's picture, the box leads back to it."""
    film_hw, fit = (80, 56), Fit((40, 40), how, resample="area", rounded=False)
    top, left, bottom, right = shown_box(fit, film_hw)
    pixels = np.zeros(film_hw, np.uint8)
    pixels[at[0] - 2 : at[0] + 2, at[1] - 2 : at[1] + 2] = 255
    seen = fitted(pixels, fit)
    if not (top + 3 < at[0] < bottom - 3 and left + 3 < at[1] < right - 3):
        return
    rows, columns = (seen.sum(axis=axis) for axis in (1, 0))
    centre = [float((np.arange(40) + 0.5) @ line / line.sum()) / 40 for line in (rows, columns)]
    back = top + centre[0] * (bottom - top), left + centre[1] * (right - left)
    np.testing.assert_allclose(back, at, atol=0.6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"how": "stretch"}, "squash, crop, shortest"),
        ({"resample": "nearest"}, "area, bilinear"),
        ({"how": "shortest", "edge": 20}, r"edge = 20, size = \[32, 32\]"),
        ({"size_hw": (0, 5)}, "at least 1 x 1"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_film_is_read(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Fit(**{"size_hw": (32, 32), **wrong})
