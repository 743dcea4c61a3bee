"""The rising curve that fits best: by hand and against scikit-learn."""

import numpy as np
import pytest

from spark_cxr.metrics.isotonic import UNCHANGED, isotonic


def test_neighbours_that_fall_are_pooled():
    curve = isotonic(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 1.0, 0.0, 1.0]))

    assert curve.at == (0.1, 0.2, 0.3, 0.4)
    assert curve.to == (0.0, 0.5, 0.5, 1.0)


def test_equal_values_count_as_one_point():
    curve = isotonic(np.array([0.5, 0.5, 0.5, 0.9]), np.array([0.0, 1.0, 1.0, 1.0]))

    assert curve.at == (0.5, 0.9)
    assert curve.to == pytest.approx((2 / 3, 1))


def test_it_is_flat_outside_what_was_seen():
    curve = isotonic(np.array([0.4, 0.6]), np.array([0.2, 0.8]))

    assert curve.apply(np.array([0.0, 0.5, 1.0])) == pytest.approx([0.2, 0.5, 0.8])


def test_one_value_gives_one_level():
    curve = isotonic(np.array([0.3, 0.3]), np.array([0.0, 1.0]))

    assert curve.apply(np.array([0.0, 0.3, 1.0])).tolist() == [0.5, 0.5, 0.5]


def test_unchanged_changes_nothing():
    values = np.array([0.0, 0.123, 1.0])

    assert UNCHANGED.apply(values).tolist() == values.tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_it_equals_scikit_learn(seed, decimals):
    regression = pytest.importorskip("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip")
    rng = np.random.default_rng(seed)
    stated = rng.random(300).round(decimals)
    found = (rng.random(300) < stated**2).astype(float)
    new = rng.random(200)

    theirs = regression.fit(stated, found).predict(new)

    assert np.abs(isotonic(stated, found).apply(new) - theirs).max() < 1e-9
