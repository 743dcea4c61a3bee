"""Batches of films: complete, repeatable, shared."""

from dataclasses import replace

import numpy as np
import pytest
from training_tasks import RECIPE, cached, drawn

from spark_cxr.training.batches import Share, checking_feed, training_feed
from spark_cxr.training.recipe import Augment

LABELS = [0, 0, 1, 2, 0] * 9
WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return cached(tmp_path_factory.mktemp("cache") / "films", LABELS, group=7)


def fed(films, **changes):
    recipe = replace(RECIPE, **{"augment": Augment(), **changes})
    return training_feed(films, np.array(LABELS), WEIGHTS, recipe)


def told(feed, epoch=0, first_step=0):
    return list(feed.batches(epoch, first_step))


def test_each_film_counts_once_an_epoch_and_all_batches_are_full(films):
    batches = told(fed(films))
    assert {len(batch.films) for batch in batches} == {8}
    assert len(batches) == fed(films).steps(0) == 6
    counted = np.concatenate([batch.rows[batch.counts > 0] for batch in batches])
    assert sorted(counted) == list(range(45))


def test_what_fills_up_counts_nothing(films):
    assert sum(batch.counts.sum() for batch in told(fed(films))) == 45


def test_films_come_with_the_share_and_weight_of_their_class(films):
    batch = told(fed(films, label_smoothing=0.3))[0]
    labels = np.array(LABELS)[batch.rows]
    shares = np.where(np.eye(3)[labels] > 0, 0.8, 0.1)
    np.testing.assert_allclose(batch.targets, shares * WEIGHTS[labels][:, None], rtol=1e-6)


def test_films_that_are_checked_come_in_their_order_as_they_are(films):
    feed = checking_feed(films, np.array(LABELS), WEIGHTS, RECIPE)
    batches = told(feed)
    seen = np.concatenate([batch.films for batch in batches])[:45, ..., 0]
    np.testing.assert_array_equal(seen, drawn(LABELS))


def test_films_that_train_are_augmented_otherwise_each_epoch(films):
    first, second = (by_row(told(fed(films), epoch)) for epoch in (0, 1))
    assert all((first[row] != second[row]).any() for row in range(45))


def test_rare_classes_are_changed_more_and_the_commonest_as_ever(films):
    plain, more = (by_row(told(fed(films, augment_rare=rare))) for rare in (1.0, 3.0))
    same_films = {row for row in range(45) if (plain[row] == more[row]).all()}
    assert same_films == {row for row, label in enumerate(LABELS) if label == 0}


def test_strength_grows_as_films_become_fewer():
    recipe = replace(RECIPE, augment=Augment(), augment_rare=4.0)
    assert [each.rotation for each in recipe.augment_by_class([1600, 400, 100])] == [10, 20, 40]
    assert recipe.augment_by_class([7, 7]) == (Augment(),)
    assert len(recipe.augment_by_class([7, 0])) == 2
    assert replace(recipe, augment_rare=1.0).augment_by_class([9, 1]) == (Augment(),)


def by_row(batches):
    return {int(row): batch.films[i] for batch in batches for i, row in enumerate(batch.rows)}


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("films", "targets", "counts", "rows")
    )


@pytest.mark.parametrize("first", [1, 4, 5])
def test_an_epoch_goes_on_from_a_step_as_if_it_had_never_stopped(films, first):
    whole, rest = told(fed(films), 3), told(fed(films), 3, first)
    assert len(rest) == len(whole) - first
    assert all(map(same, whole[first:], rest))


def test_batches_do_not_depend_on_the_number_of_threads(films, monkeypatch):
    wanted = told(fed(films), 2)
    monkeypatch.setattr("spark_cxr.training.batches._threads", lambda: 5)
    assert all(map(same, wanted, told(fed(films), 2)))


def test_processes_share_each_batch_between_them(films):
    whole = told(fed(films), 1)
    parts = [told(replace(fed(films), share=Share(number, 4)), 1) for number in range(4)]
    for batch, *shared in zip(whole, *parts, strict=True):
        for name in ("rows", "films", "targets", "counts"):
            joined = np.stack([getattr(part, name) for part in shared], axis=1)
            wanted = getattr(batch, name)
            np.testing.assert_array_equal(joined.reshape(wanted.shape), wanted)


def test_films_drawn_twice_in_an_epoch_look_different_and_weigh_one(films):
    feed = fed(films, balance="sampling")
    batches = told(feed, 0)
    rows = np.concatenate([batch.rows[batch.counts > 0] for batch in batches])
    seen = np.concatenate([batch.films[batch.counts > 0] for batch in batches])
    rare = LABELS.index(2)
    twice = seen[rows == rare]
    assert len(twice) == 2
    assert (twice[0] != twice[1]).any()
    assert np.concatenate([batch.targets for batch in batches]).max() == 1


def test_a_feed_that_is_left_early_stops_its_threads(films):
    batches = fed(films).batches(0)
    next(batches)
    batches.close()
