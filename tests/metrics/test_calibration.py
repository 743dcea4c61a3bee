"""Reliability and its error, by hand."""

import numpy as np
import pytest

from spark_cxr.metrics.calibration import honest_ece, reliability


def test_error_is_the_mean_gap_weighted_by_images():
    curve = reliability(np.array([0.9, 0.9, 0.6]), np.array([True, False, True]))

    assert curve.ece == pytest.approx((2 * 0.4 + 1 * 0.4) / 3)
    assert curve.counts == (0, 0, 0, 0, 0, 1, 0, 0, 2, 0)
    assert curve.right[8] == 0.5
    assert curve.confidence[8] == pytest.approx(0.9)


def test_empty_bins_hold_none():
    curve = reliability(np.array([0.95]), np.array([True]))

    assert curve.right[:9] == (None,) * 9
    assert curve.confidence[:9] == (None,) * 9


@pytest.mark.parametrize(("confidence", "expected"), [(0.0, 0), (0.1, 0), (0.7, 6), (1.0, 9)])
def test_an_edge_belongs_to_the_bin_on_its_left(confidence, expected):
    assert reliability(np.array([confidence]), np.array([True])).counts[expected] == 1


def test_a_classifier_that_keeps_its_word_has_no_error():
    confidence = np.full(10, 0.8)
    right = np.arange(10) < 8

    assert reliability(confidence, right).ece == pytest.approx(0)


# What chance alone shows


def stated(n):
    return np.random.default_rng(1).uniform(0.4, 1, n)


def test_an_honest_classifier_is_seldom_above():
    confidence = stated(300)
    limit = honest_ece(confidence)
    above = [
        reliability(confidence, np.random.default_rng(s).random(300) < confidence).ece > limit
        for s in range(1000, 1200)
    ]
    assert np.mean(above) < 0.07


def test_a_boaster_is_above():
    confidence = stated(300)
    right = np.random.default_rng(5).random(300) < confidence - 0.2
    assert reliability(confidence, right).ece > honest_ece(confidence)


def test_more_films_leave_less_to_chance():
    assert honest_ece(stated(5000)) < honest_ece(stated(50)) / 3


def test_the_same_seed_gives_the_same_number():
    assert honest_ece(stated(80), seed=4) == honest_ece(stated(80), seed=4)
