"""Films as another day would have given them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_cxr.training.augment import augment
from spark_cxr.training.recipe import STILL, Augment

EVERY = Augment(mirror=True)
RAMP = np.tile(np.arange(64, 192, 2, dtype=np.uint8), (48, 1))


def changed(film=RAMP, seed=0, **strengths):
    return augment(film, replace(STILL, **strengths), np.random.default_rng(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 1000))
def test_a_film_keeps_its_size_and_kind(height, width, seed):
    film = np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)
    told = augment(film, EVERY, np.random.default_rng(seed))
    assert (told.shape, told.dtype) == ((height, width), np.uint8)


def test_the_same_seed_gives_the_same_film_and_another_seed_another():
    again = augment(RAMP, EVERY, np.random.default_rng(4))
    np.testing.assert_array_equal(augment(RAMP, EVERY, np.random.default_rng(4)), again)
    assert (augment(RAMP, EVERY, np.random.default_rng(5)) != again).any()


def test_the_film_that_is_given_stays_as_it_was():
    film = RAMP.copy()
    augment(film, EVERY, np.random.default_rng(0))
    np.testing.assert_array_equal(film, RAMP)


def test_no_strength_is_the_film_itself():
    assert augment(RAMP, STILL, np.random.default_rng(0)) is RAMP
    assert EVERY.times(0).times(3) == replace(STILL, mirror=True)


def test_a_shift_moves_the_film_by_whole_pixels_of_its_share():
    film = np.zeros((100, 100), np.uint8)
    film[50, 50] = 255
    found = [np.argwhere(changed(film, seed, shift=0.1) > 60) for seed in range(40)]
    away = np.abs(np.concatenate(found) - 50).max(axis=0)
    assert (away <= 10.5).all()
    assert (away >= 7).all()


def test_a_turn_stays_within_its_degrees_and_around_the_middle():
    film = np.zeros((101, 101), np.uint8)
    film[50, 90:93] = 255
    angles = []
    for seed in range(40):
        y, x = np.argwhere(changed(film, seed, rotation=10) > 100).mean(axis=0) - 50
        angles.append(np.degrees(np.arctan2(y, x)))
    assert np.abs(angles).max() <= 10.5
    assert np.min(angles) < -6
    assert np.max(angles) > 6


def test_zoom_changes_how_much_of_a_film_is_black():
    white = np.full((90, 90), 255, np.uint8)
    black = [(changed(white, seed, zoom=0.2) == 0).mean() for seed in range(40)]
    assert min(black) == 0
    assert 0.2 < max(black) < 1 - np.exp(-2 * 0.3)


@pytest.mark.parametrize("strength", ["brightness", "contrast", "gamma"])
def test_light_keeps_the_order_of_grey_levels(strength):
    lit = [changed(seed=seed, **{strength: 0.3}).astype(int) for seed in range(9)]
    assert all((np.diff(film, axis=1) >= 0).all() for film in lit)
    assert max(np.abs(film - RAMP).max() for film in lit) > 12


def test_brightness_adds_no_more_than_its_share_of_white():
    away = [int(changed(seed=seed, brightness=0.1)[0, 0]) - 64 for seed in range(50)]
    assert max(map(abs, away)) <= 26
    assert min(away) < -15
    assert max(away) > 15


def test_noise_has_at_most_its_deviation_and_does_not_wrap_round():
    white = np.full((200, 200), 255, np.uint8)
    grey = np.full((200, 200), 128, np.uint8)
    spread = [changed(grey, seed, noise=0.02).std() for seed in range(20)]
    assert 3.5 < max(spread) < 0.02 * 255 * 1.1
    assert changed(white, 1, noise=0.1).min() > 100


def test_erased_rectangles_lie_mostly_at_corners_and_borders():
    touched, corners, count = 0, 0, 0
    film = np.full((100, 100), 77, np.uint8)
    for seed in range(300):
        hidden = changed(film, seed, erase=0.5) != 77
        if hidden.any():
            count += 1
            edge = np.array([hidden[0].any(), hidden[-1].any()])
            side = np.array([hidden[:, 0].any(), hidden[:, -1].any()])
            touched += edge.any() or side.any()
            corners += edge.any() and side.any()
            assert hidden.mean() <= 0.25**2 + 0.01
    assert 100 < count < 200  # one or none, with equal chances
    assert touched / count > 0.8
    assert 0.35 < corners / count < 0.65


def test_films_are_mirrored_half_of_the_time_and_only_where_asked():
    mirrored = [(changed(seed=seed, mirror=True)[0, 0] > 128) for seed in range(100)]
    assert 30 < sum(mirrored) < 70
    assert not any(changed(seed=seed, shift=0.01)[0, 0] > 128 for seed in range(20))
