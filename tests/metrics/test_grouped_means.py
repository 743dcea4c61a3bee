import numpy as np
import pytest

from spark_cxr.metrics.grouped_means import grouped_means


def test_means_leave_out_what_does_not_count():
    cells = [[1, 0.2], [0, np.nan], [1, 0.4], [np.nan, np.nan]]
    first, second = grouped_means(cells, ["a", "b", "c", "d"])
    assert (first.value, second.value) == (pytest.approx(2 / 3), pytest.approx(0.3))
    assert first.interval.low < 2 / 3 < first.interval.high


def test_a_column_of_nothing_is_not_defined():
    (found,) = grouped_means([[np.nan], [np.nan]], ["a", "b"])
    assert (found.value, found.interval) == (None, None)


def test_films_of_one_patient_come_together():
    draw = np.random.default_rng(1)
    cells = np.repeat(draw.integers(0, 2, 40), 10)[:, None].astype(float)
    films = [f"film{n}" for n in range(400)]
    patients = [f"patient{n // 10}" for n in range(400)]
    (narrow,), (wide,) = grouped_means(cells, films), grouped_means(cells, patients)
    assert narrow.value == wide.value
    assert (wide.interval.high - wide.interval.low) > 2 * (
        narrow.interval.high - narrow.interval.low
    )


def test_all_or_none_is_not_certain():
    (found,) = grouped_means([[0.0]] * 10, [f"p{n}" for n in range(10)])
    assert found.value == 0
    assert 0.2 < found.interval.high < 0.4
