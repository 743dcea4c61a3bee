"""How large the steps are."""

import math

import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.training.schedules import FACTOR, LEAST, Moment, get


def shares(name, steps, val_losses=()):
    return [get(name)(Moment(step, steps, val_losses)) for step in range(steps)]


def test_cosine_rises_for_a_twentieth_and_falls_to_its_least():
    told = shares("cosine", 1000)
    assert told[:50] == pytest.approx([(step + 1) / 50 for step in range(50)])
    assert max(told) == told[50] == 1
    assert told[50 + 475] == pytest.approx(LEAST + (1 - LEAST) / 2)
    assert told[-1] == pytest.approx(LEAST, abs=1e-3)
    assert told[50:] == sorted(told[50:], reverse=True)


def test_cosine_rises_for_no_more_than_200_steps():
    assert shares("cosine", 100_000)[200] == 1


@pytest.mark.parametrize("steps", [1, 2, 19, 20])
def test_cosine_of_a_few_steps_is_a_share(steps):
    assert all(0 < share <= 1 for share in shares("cosine", steps))


def test_plateau_falls_after_every_second_epoch_that_is_no_better():
    losses = [0.5, 0.4, 0.41, 0.42, 0.40, 0.43, 0.1]
    told = [get("plateau")(Moment(0, 9, losses[:count])) for count in range(8)]
    assert told == pytest.approx([1, 1, 1, 1, FACTOR, FACTOR, FACTOR**2, FACTOR**2])


def test_plateau_counts_no_number_as_no_better():
    assert get("plateau")(Moment(0, 9, [0.5, math.nan, math.nan])) == FACTOR


def test_constant_stays():
    assert set(shares("constant", 9, [1, 2, 3])) == {1.0}


def test_an_unknown_schedule_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Received: cosin. Did you mean cosine\?"):
        get("cosin")
