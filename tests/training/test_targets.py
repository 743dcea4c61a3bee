"""Rare classes that count as much as others."""

import numpy as np
import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.training.targets import check_balance, class_weights, rows_of_epoch

TARGETS = np.array([0] * 60 + [1] * 30 + [2] * 10)


def test_weighted_classes_count_alike_and_a_film_counts_one_on_average():
    weights = class_weights(TARGETS, 3, "weights")
    np.testing.assert_allclose(np.bincount(TARGETS) * weights, [100 / 3] * 3, rtol=1e-6)
    assert weights[TARGETS].mean() == pytest.approx(1)


def test_without_balance_all_films_count_one():
    assert class_weights(TARGETS, 3, "none").tolist() == [1, 1, 1]


def drawn(epoch):
    return rows_of_epoch(TARGETS, class_weights(TARGETS, 3, "sampling"), 5, epoch)


def test_sampling_draws_each_class_alike_over_some_epochs():
    films = np.bincount(TARGETS[np.concatenate([drawn(epoch) for epoch in range(40)])])
    np.testing.assert_allclose(films / 40, [100 / 3] * 3, rtol=0.05)


def test_sampling_takes_a_film_as_often_as_it_weighs_or_once_more():
    times = np.bincount(drawn(0), minlength=100)
    assert set(times[:60]) == {0, 1}  # 0.56
    assert set(times[60:90]) == {1, 2}  # 1.1
    assert set(times[90:]) == {3, 4}  # 3.3


def test_rows_stay_in_their_order_and_each_epoch_draws_others():
    assert (np.diff(drawn(0)) >= 0).all()
    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_an_unknown_balance_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: sample. Did you mean sampling\?"):
        check_balance("sample")
