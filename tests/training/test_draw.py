"""The draw of batches, over numbers that say which row they are."""

import numpy as np
import pytest

from spark_cxr.training.cache import SPREAD, Draw


def rows(start, stop):
    numbers = np.arange(start, stop, dtype=np.float32)
    return numbers, 10 * numbers


def epoch(draw, number):
    windows = range(-(-draw.steps // SPREAD))
    return [batch for window in windows for batch in draw.window(rows, number, window)]


@pytest.mark.parametrize("count", [1, 8, 9, 63, 64, 65])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_row_comes_once_an_epoch(count, shuffle):
    draw = Draw(0, count, 8, shuffle, 1)
    batches = epoch(draw, 3)
    assert len(batches) == draw.steps
    assert sorted(np.concatenate([batch[0] for batch in batches])) == list(range(count))


def test_batches_have_the_size_that_was_asked_for_but_one():
    sizes = sorted(len(batch[0]) for batch in epoch(Draw(0, 65, 8, True, 1), 0))
    assert sizes == [1, *[8] * 8]


def test_targets_stay_with_their_images():
    for images, targets in epoch(Draw(0, 50, 8, True, 1), 0):
        np.testing.assert_array_equal(targets, 10 * images)


def test_rows_before_the_start_and_behind_the_end_are_left_out():
    drawn = np.concatenate([batch[0] for batch in epoch(Draw(20, 41, 8, True, 1), 0)])
    assert sorted(drawn) == list(range(20, 41))


def test_without_shuffling_rows_come_in_their_order():
    drawn = np.concatenate([batch[0] for batch in epoch(Draw(0, 50, 8, False, 1), 2)])
    np.testing.assert_array_equal(drawn, np.arange(50))


def order(seed, number):
    return np.concatenate([batch[0] for batch in epoch(Draw(0, 100, 8, True, seed), number)])


def test_the_same_seed_gives_the_same_order():
    np.testing.assert_array_equal(order(1, 2), order(1, 2))


def test_another_seed_and_another_epoch_give_another_order():
    assert not np.array_equal(order(1, 2), order(2, 2))
    assert not np.array_equal(order(1, 2), order(1, 3))


def test_rows_of_a_batch_come_from_several_places():
    far = [np.ptp(batch[0]) for batch in epoch(Draw(0, 8000, 8, True, 1), 0)]
    assert np.median(far) > 2000


def test_no_more_than_a_few_batches_are_read_at_a_time():
    asked = []

    def read(start, stop):
        asked.append(stop - start)
        return rows(start, stop)

    Draw(0, 1000, 8, True, 1).window(read, 0, 0)
    assert len(asked) == SPREAD
    assert max(asked) <= 8
