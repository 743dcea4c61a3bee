import numpy as np

from spark_cxr.metrics.calibration import reliability
from spark_cxr.metrics.honest import honest_ece


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
